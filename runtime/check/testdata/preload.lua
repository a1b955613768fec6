-- Modules without a file: Lua's own, and those that the script defines.
local text = require "string"
package.preload["made.here"] = function() return {word = "made"} end
print(text.rep("a", 3), require("made.here").word, package.config, package.searchpath)
print(package.path) -- want 15-19 undefined: package.path is not available in runbooks: require finds modules in the script's folder, DKVRUN_PATH and the standard library

-- A goto to nowhere is told where it stands, whatever comes after.
local function f()
  goto nowhere -- want 3-72 syntax: no visible label 'nowhere' for goto
end
f()

at_exit(function() print("first in") end)
at_exit(function() print("last in") end)
error("on the way")

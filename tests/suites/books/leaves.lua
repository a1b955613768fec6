at_exit(function() print("at the exit") end)
print("first")
pcall(exit, tonumber(arg[1]), "that is why")
print("never")

-- refuses(message, f, …) asserts that a call raises an error whose message contains the text.

return function(message, f, ...)
  local arguments, n = {...}, select("#", ...)
  assert.error_matches(function() f(unpack(arguments, 1, n)) end, message, 1, true)
end

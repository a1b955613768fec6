-- Only the first syntax error is found.
local one = 1
if one == 1 the -- want 13-16 syntax: unexpected 'the': expected 'then'
  print(one)
end

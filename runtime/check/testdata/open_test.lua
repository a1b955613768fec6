-- The suite registers assertions under computed names: no assertion is unknown.
for name, wanted in pairs{small = 1, large = 100} do
  assert:register("assertion", name, function(_, arguments) return arguments[1] == wanted end)
end
it("knows them", function()
  assert.is_small(1)
  assert.is_lrage(1)
  assert.are.equal(1) -- want 14-19 misuse: assert.equal: got 1 argument, want at least 2
  print(match.is_lrage()) -- want 15-23 misuse: match.is_lrage: there is no matcher lrage
end)

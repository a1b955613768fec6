-- The words of suites.
local assert, say = require "luassert", require "say"
local own = require "modules.assertions"
say:set("is_even", "%s to be even")
assert:register("assertion", "even", function(_, arguments) return arguments[1] % 2 == 0 end, "is_even")
assert:register("matcher", "odd", function() return function(n) return n % 2 == 1 end end)
assert:register("asertion", "prime", own.prime) -- want 17-27 misuse: assert:register: got asertion, want assertion, matcher or modifier

it("is right", function()
  assert.are.equal(1, 1)
  assert.is_not_nil(own) assert.has_no.errors(print) assert.is_not.same({}, {1}) assert.is.True(true)
  assert.is_even(2) assert.is_not_even(3) assert.is_prime(3) assert.with_tax.equal(1, 1)
  assert.are.equal(own.pair())
  assert.message("why").is_true(true)
  local s = spy.new(print)
  s(1)
  assert.spy(s).was.called_with(match._, match.is_odd())
  assert.spy(s).was_not.called()
  assert.store_status("OrdersStore", own.status)
  assert.has_error(function() assert.is_tru(1) end)
  assert.own = print
  assert.own(1)
end)

it("is wrong", function()
  assert.are.eqal(1, 2) -- want 14-18 misuse: assert.are.eqal: there is no assertion eqal: did you mean equal?
  assert.foo(1) -- want 10-13 misuse: assert.foo: there is no assertion foo
  assert.is_evn(2) -- want 10-16 misuse: assert.is_evn: there is no assertion evn: did you mean even?
  assert.is_not(1) -- want 10-16 misuse: assert.is_not: it names no assertion
  assert.are.equal(1) -- want 14-19 misuse: assert.equal: got 1 argument, want at least 2
  assert.store_status("OrdersStore", "Runing") -- want 10-22 misuse: assert.store_status: there is no status Runing: did you mean Running?
  local s, are = spy.onn(own, "prime"), assert.are -- want 22-25 undefined: spy: no field onn: did you mean on?
  are.saem({}, {}) -- want 7-11 misuse: assert.are.saem: there is no assertion saem: did you mean same?
  assert.spy(s).was.called_wiht(1) -- want 21-32 misuse: assert.was.called_wiht: there is no assertion wiht: did you mean called_with?
  assert.message("why").is_tru(true) -- want 25-31 misuse: assert.is_tru: there is no assertion tru: did you mean true?
  assert.spy(s).was.called_with(match.is_tabel(), match.near(1)) -- want 39-47 misuse: match.is_tabel: there is no matcher tabel: did you mean table? | 57-61 misuse: match.near: got 1 argument, want at least 2
  print(assert(store_status("OrdersStore")).statu) -- want 45-50 field: status: no field statu: did you mean status?
end)

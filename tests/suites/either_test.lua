-- An example of a suite that passes on plain and on secured managers: `dkvrun test either_test.lua`, and the same with
-- --secured. It says nothing of certificates: local_cluster makes the test and its runbooks admins.

describe("a store of sessions", function()
  local cluster, store

  setup(function()
    cluster = local_cluster{servers = 3, instances = 1, store = "SessionStore"}
    store = connect_store("SessionStore")
  end)

  it("speaks TLS on all ports if its managers are secured, and on none if not", function()
    local rows = list_certificates():check()
    assert.are.equal(6, #rows)
    for _, row in ipairs(rows) do
      assert.are.equal(cluster.secured and "require" or "off", row.tls)
      assert.is_nil(row.problem)
    end
  end)

  it("keeps what was written when a server dies", function()
    store:put("session", "value")
    cluster:kill(1)
    assert.eventually(function() assert.are.equal("value", store:get("session")) end)
    cluster:restart(1)
    wait_ready("SessionStore")
    assert.are.equal("value", store:get("session"))
  end)

  it("is changed by a runbook", function()
    store:put("visitor", "value")
    local run = run_script{"../../scripts/rolling_restart.lua", args = {"--store", "SessionStore"}}
    assert.are.equal("", run.ok and "" or run.stderr)
    assert.are.equal("value", store:get("visitor"))
  end)

  it("can be removed once it is stopped", function()
    assert.has_error(function() remove_store{"SessionStore", confirm = "SessionStore"}:check() end)
    new_store{"OtherStore", instance_prefix = "other", instance_count = 1, clustron_port = 7831, client_port = 7881}:check()
    remove_store{"OtherStore", confirm = "OtherStore"}:check()
    assert.are.equal(0, #get_store("OtherStore"))
  end)
end)

#!/bin/sh
# Installs the deb that is given in a copy of this system's files, runs a manager and a store with it as the unit does,
# upgrades it, and removes it. The copy is an overlay that ends with the script; so do the processes.
set -eu
deb=$(readlink -f "$1")

if [ "${2:-}" != inside ]; then
	exec unshare --mount --net --pid --fork --kill-child "$0" "$deb" inside
fi

fail() { echo "packages-test: $*" >&2; exit 1; }
step() { echo "packages-test: $*"; }

work=$(mktemp -d)
mount -t tmpfs -o size=2g dkv-packages "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
root=$work/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
rm -rf "$root/var/lib/dkv" "$root/etc/dkvmanager.toml"
ip link set lo up
cp "$deb" "$root/tmp/dkv.deb"
inside() { chroot "$root" "$@"; }
as_unit() { inside setpriv --reuid=dkv --regid=dkv --clear-groups --inh-caps=-all "$@"; }
lua() { inside /usr/bin/dkvrun -q -m 127.0.0.1 -e "$1"; }
serving() {
	for _ in $(seq 100); do
		if lua 'get_store()' >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	fail "the manager does not answer: $(cat "$work/log")"
}

inside dpkg -i /tmp/dkv.deb
step "installed"
[ "$(inside stat -c '%U %a' /var/lib/dkv)" = "dkv 700" ] || fail "the data folder: $(inside stat -c '%U %a' /var/lib/dkv)"
as_unit /usr/bin/dkvmanager check-config

as_unit /usr/bin/dkvmanager 2>"$work/log" &
manager=$!
serving
lua 'new_store{"OrdersStore", instance_prefix = "orders", instance_count = 1}:check()
start_store("OrdersStore"):check() wait_ready("OrdersStore") connect_store("OrdersStore"):put("k", "v")'
pid=$(lua 'print(store_status("OrdersStore").instances[1].pid)')
step "serves, instance $pid"

if inside dpkg -r dkv 2>"$work/refused"; then fail "removed while an instance runs"; fi
grep -q "instances of stores run on this server (processes $pid)" "$work/refused" || fail "refused with: $(cat "$work/refused")"
step "not removed while an instance runs"

echo '# a change' >>"$root/etc/dkvmanager.toml"
inside dpkg -i /tmp/dkv.deb
tail -1 "$root/etc/dkvmanager.toml" | grep -q '# a change' || fail "the settings were replaced"
kill "$manager" && wait "$manager" || true # as try-restart does
as_unit /usr/bin/dkvmanager 2>>"$work/log" &
manager=$!
serving
now=$(lua 'print(store_status("OrdersStore").instances[1].pid)')
[ "$now" = "$pid" ] || fail "the instance was restarted at the upgrade: $pid, then $now"
step "upgraded; instance $pid runs on"

lua 'stop_store("OrdersStore"):check()'
kill "$manager" && wait "$manager" || true
inside dpkg -r dkv
[ -e "$root/usr/bin/dkvmanager" ] && fail "the program is still there"
inside find /var/lib/dkv/instances/OrdersStore -name '*.wal' | grep -q . || fail "the data is gone"
step "removed; the data is kept"

inside dpkg -i /tmp/dkv.deb
as_unit /usr/bin/dkvmanager 2>>"$work/log" &
serving
[ "$(lua 'start_store("OrdersStore"):check() wait_ready("OrdersStore") print(connect_store("OrdersStore"):get("k"))' | tail -1)" = v ] ||
	fail "the store does not come back"
step "installed again; the store is back"

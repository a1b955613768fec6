#!/bin/sh
# Stops the manager, unless instances of stores run: nobody would look after them. deb calls this with remove or
# upgrade, rpm with 0 or 1; an upgrade stops nothing.
set -e
case "$1" in remove | 0) ;; *) exit 0 ;; esac
running=
for process in /proc/[0-9]*; do
	case "$(readlink "$process/exe")" in /usr/bin/dkvmanager | "/usr/bin/dkvmanager (deleted)") ;; *) continue ;; esac
	case "$(tr '\0' ' ' <"$process/cmdline")" in *" instance "*) running="$running ${process#/proc/}" ;; esac
done
if [ -n "$running" ]; then
	echo "dkv is not removed: instances of stores run on this server (processes$running)." >&2
	echo "Remove them from their stores, or stop them: dkvrun -m HOSTS -e 'stop_instance(STORE, INSTANCE)'" >&2
	exit 1
fi
if [ -d /run/systemd/system ]; then
	systemctl disable --now dkvmanager.service
fi

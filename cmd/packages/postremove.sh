#!/bin/sh
# Leaves /var/lib/dkv and its user: the data of stores is deleted by nobody but its owner.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ -d /var/lib/dkv ] && [ "$1" != upgrade ] && [ "$1" != 1 ]; then
	echo "The data of stores is kept in /var/lib/dkv."
fi

#!/bin/sh
# After a removal. What was not delivered stays in /var/lib/sluice-collector until a deb is purged; an rpm has no such step.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$1" = purge ]; then rm -rf /var/lib/sluice-collector; fi

#!/bin/sh
# After an installation or an upgrade. A deb says "configure" and the version that was there before, an rpm how many there are now.
set -e
systemd-sysusers sluice-collector.conf
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	case "$1 $2" in
	configure\ ?* | 2\ *) systemctl try-restart sluice-collector.service ;;
	*) echo "Set addresses in /etc/sluice/collector.env, then: systemctl enable --now sluice-collector" ;;
	esac
fi

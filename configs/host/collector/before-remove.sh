#!/bin/sh
# Before a removal ("remove" of a deb, 0 of an rpm) or an upgrade, during which the service runs on.
set -e
case "$1" in
remove | 0) if [ -d /run/systemd/system ]; then systemctl disable --now sluice-collector.service; fi ;;
esac

#!/usr/bin/env bash
# A Ceph of one machine on loopback, in memory: monitor, one OSD, the S3 gateway: ceph.sh FOLDER S3_PORT PORT PORT
# https://docs.ceph.com/en/latest/install/manual-deployment/
set -euo pipefail
D=$(realpath -m "$1"); S3=$2; MON2=$3; MON1=$4
mkdir -p "$D"/{mon,osd,log,run,rgw}; cd "$D"
cat > ceph.conf <<C
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$MON2,v1:127.0.0.1:$MON1]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = $D/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 1073741824
log file = $D/log/\$name.log
admin socket = $D/run/\$name.asok
run dir = $D/run
pid file = $D/run/\$name.pid
[mon]
mon data = $D/mon
mon initial members = a
[osd]
osd data = $D/osd
keyring = $D/osd/keyring
[client.rgw.a]
keyring = $D/rgw.keyring
rgw data = $D/rgw
rgw frontends = beast endpoint=127.0.0.1:$S3
rgw enable ops log = false
rgw enable usage log = false
C
export CEPH_CONF=$D/ceph.conf
ID=$(grep fsid ceph.conf | cut -d' ' -f3)
ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *' > /dev/null
ceph-authtool keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' > /dev/null
monmaptool --create --addv a "[v2:127.0.0.1:$MON2,v1:127.0.0.1:$MON1]" --fsid "$ID" monmap > /dev/null
ceph-mon -c ceph.conf --mkfs -i a --monmap monmap --keyring keyring
ceph-mon -c ceph.conf -i a
KEY=$(ceph-authtool --gen-print-key); OSD=$(cat /proc/sys/kernel/random/uuid)
echo "{\"cephx_secret\": \"$KEY\"}" | timeout 60 ceph -c ceph.conf osd new "$OSD" -i - > /dev/null
ceph-authtool --create-keyring osd/keyring --name osd.0 --add-key "$KEY" > /dev/null
ceph-osd -c ceph.conf -i 0 --mkfs --osd-uuid "$OSD"
timeout 60 ceph -c ceph.conf auth get-or-create client.rgw.a mon 'allow rwx' osd 'allow rwx' > rgw.keyring
ceph-osd -c ceph.conf -i 0
timeout 120 radosgw -c ceph.conf -n client.rgw.a
timeout 120 radosgw-admin -c ceph.conf user create --uid=test --display-name=test --access-key=testkey1 --secret-key=testsecret > /dev/null

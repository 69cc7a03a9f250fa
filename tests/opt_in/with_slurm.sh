#!/bin/sh
# Run a command beside a SLURM of one node that is made for it: Debian's slurm-wlm and munge, as root, everything in a
# folder of its own, without systemd and cgroups. make test-slurm
#
# tests/opt_in/with_slurm.sh COMMAND...
set -eu
work=$(mktemp -d)
node=$(hostname -s)
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
export SLURM_CONF="$work/slurm.conf"

cat > "$SLURM_CONF" << END
ClusterName=geoseg
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
echo "CgroupPlugin=cgroup/v1" > "$work/cgroup.conf"
mkdir "$work/state" "$work/spool"
dd if=/dev/urandom of="$work/munge.key" bs=1024 count=1 status=none
chmod 0755 "$work"
chmod 0600 "$work/munge.key"

end() {
    status=$?
    scancel --full --user root 2> /dev/null || true
    for name in slurmd slurmctld munged; do
        [ -s "$work/$name.pid" ] || continue
        daemon=$(cat "$work/$name.pid")
        kill "$daemon" || true
        for _ in $(seq 40); do  # it writes its state before it goes
            grep -q "^State:[[:space:]]*[^Z]" "/proc/$daemon/status" 2> /dev/null || break
            sleep 0.25
        done
    done
    [ "$status" -eq 0 ] || tail -n 20 "$work"/*.log
    rm -rf "$work"
}
trap end EXIT

munged --force --key-file="$work/munge.key" --socket="$work/munge.socket" --pid-file="$work/munged.pid" \
    --log-file="$work/munged.log" --seed-file="$work/munged.seed"
slurmctld
slurmd
for _ in $(seq 60); do
    [ "$(sinfo --noheader --format=%T)" != idle ] || break
    sleep 0.5
done
sinfo
"$@"

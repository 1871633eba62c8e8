#!/usr/bin/env bash
# Two hosts on one machine, each a network namespace, with a cable (veth) between them; torchrun runs a script across both.
#
#   sudo tests/two_hosts/hosts.sh RANKS_PER_HOST MBIT DELAY_MS SCRIPT [ARGUMENT...]
#
# MBIT is the cable's rate in each direction. A delay needs the kernel's netem; 0 does without. TORCHRUN names torchrun, if it
# is not on the PATH. Everything here is in a mount and a pid namespace of its own: whatever ends this script, also kill -9,
# ends all processes and takes the hosts with it, and nobody else on the machine sees their names.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" --inside "$@"
fi
shift
if [ $# -lt 4 ]; then
    echo "usage: hosts.sh RANKS_PER_HOST MBIT DELAY_MS SCRIPT [ARGUMENT...]" >&2
    exit 2
fi
ranks=$1 mbit=$2 delay=$3
shift 3

mkdir -p /var/run/netns
mount -t tmpfs hosts /var/run/netns
remove() {
    for host in host0 host1; do
        ip netns del "$host" 2>/dev/null || true # a cable goes with the first of its ends
    done
}
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ip netns add host0
ip netns add host1
ip link add cable0 netns host0 type veth peer name cable1 netns host1
for number in 0 1; do
    host=host$number cable=cable$number
    ip -n $host address add 10.77.0.$((number + 1))/24 dev $cable
    ip -n $host link set lo up
    ip -n $host link set $cable up
    if [ "$delay" != 0 ]; then
        ip netns exec $host tc qdisc add dev $cable root netem delay "${delay}ms" rate "${mbit}mbit" || {
            echo "hosts.sh: this kernel has no netem (CONFIG_NET_SCH_NETEM): take a delay of 0" >&2
            exit 2
        }
    else
        ip netns exec $host tc qdisc add dev $cable root tbf rate "${mbit}mbit" burst 64kb latency 100ms
    fi
done

# Without GLOO_SOCKET_IFNAME gloo takes the address of the machine's name, which is on neither end of the cable.
run_on() {
    ip netns exec "host$1" env GLOO_SOCKET_IFNAME="cable$1" OMP_NUM_THREADS=1 "${TORCHRUN:-torchrun}" \
        --nnodes 2 --node-rank "$1" --nproc-per-node "$ranks" --rdzv-backend static \
        --master-addr 10.77.0.1 --master-port 29500 "${@:2}"
}
run_on 1 "$@" &
other=$!
run_on 0 "$@"
wait $other

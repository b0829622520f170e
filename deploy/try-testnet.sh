#!/usr/bin/env bash
# Brings docker-compose-testnet.yml up with images made of this machine's programs, registers a validator in
# it with cast, takes it down and looks for leftovers.
#
#   deploy/try-testnet.sh target/debug                      # where ande-node and ande were built
#   deploy/try-testnet.sh target/debug docker compose       # with another version of compose
#
# Needs root, docker's engine, docker-compose and what local-images.sh needs. The engine is one of its own in
# namespaces of its own: no port of this machine is taken, and all of it ends with this script.
set -euo pipefail
programs=$(readlink -f "${1:?usage: deploy/try-testnet.sh DIRECTORY-OF-THE-PROGRAMS [COMPOSE]}")
shift
compose=("${@:-docker-compose}")
cd "$(dirname "$0")/.."
# Engine and client of one package, whatever else is installed.
export PATH=/usr/sbin:/usr/bin:$PATH

if [ -z "${ANDE_TRY_DIR:-}" ]; then
    ANDE_TRY_DIR=$(mktemp -d)
    export ANDE_TRY_DIR
    trap 'rm -rf "$ANDE_TRY_DIR"' EXIT
    unshare --mount --net --pid --fork --kill-child --mount-proc "$0" "$programs" "${compose[@]}"
    exit
fi

work=$ANDE_TRY_DIR
fail() {
    echo "try-testnet: $*" >&2
    exit 1
}

# until_true SECONDS WHAT COMMAND...: waits for the command to succeed.
until_true() {
    local limit=$1 what=$2 end=$((SECONDS + $1))
    shift 2
    until "$@" >"$work/last" 2>&1; do
        [ $SECONDS -lt $end ] || fail "$what: not within $limit s: $(tail -n 20 "$work/last")"
        sleep 0.5
    done
}

ip link set lo up
export DOCKER_HOST=unix://$work/docker.sock
dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
    --host "$DOCKER_HOST" >"$work/dockerd.log" 2>&1 &
end() {
    local status=$?
    if [ $status != 0 ]; then
        tail -n 20 "$work/dockerd.log"
        for container in $(docker ps -aq 2>/dev/null); do
            docker inspect --format '--- {{.Name}}: {{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}' "$container"
            docker logs --tail 8 "$container" 2>&1
        done
    fi >&2
    kill "$(cat "$work/dockerd.pid")" && wait
    exit $status
}
trap end EXIT
until_true 60 "docker's engine answers" docker version

deploy/local-images.sh "$programs" >"$work/env"
"$programs/ande" init testnet --dir "$work/testnet" >/dev/null
cat "$work/testnet/compose.env" >>"$work/env"
try() { "${compose[@]}" --env-file "$work/env" -f docker-compose-testnet.yml -p ande-try "$@"; }
try_all() { COMPOSE_PROFILES=alerting try "$@"; }

# Nothing but what must end has ended, and the rest is healthy.
all_healthy() {
    local service state bad=0
    for service in $(try_all config --services | grep -vx grafana); do
        state=$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{with .State.Health}}{{.Status}}{{end}}' \
            "$(try_all ps -aq "$service" 2>/dev/null || try_all ps -q "$service")")
        case "$service $state" in
            "contracts exited 0 "* | *" running 0 healthy") ;;
            *) echo "$service is $state"; bad=1 ;;
        esac
    done
    return $bad
}
begin=$SECONDS
try_all up -d >"$work/up.log" 2>&1 || fail "up: $(tail -n 20 "$work/up.log")"
until_true 180 "all services are healthy" all_healthy
echo "all $(docker ps -q | wc -l) services are healthy $((SECONDS - begin)) s after the start"

# A validator registers with cast, on the settlement chain's published port of its container.
settlement() { try exec -T settlement "$@"; }
rpc() { curl -sf -H 'content-type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":[]}" "$1"; }
consensus=$(jq -r .consensus "$work/testnet/testnet.json")
call() { settlement cast call "$consensus" "$@" | awk '{ print $1 }'; }
token=$(call 'stakeToken()(address)')
stake=1000000000000000000000
# Accounts 0 and 9 of anvil: who has the token, and the new validator.
bank=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
key=0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6
validator=$(settlement cast wallet address --private-key "$key" | tr -d '\r')
send() { settlement cast send "$@" >"$work/send.log" || fail "cast send: $(cat "$work/send.log")"; }
send "$token" 'transfer(address,uint256)' "$validator" "$stake" --private-key "$bank"
send "$token" 'approve(address,uint256)' "$consensus" "$stake" --private-key "$key"
send "$consensus" 'registerValidator(bytes32,string,uint256)' \
    "0x$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')" http://node-5:8545 "$stake" --private-key "$key"
id=$(call 'idOfSigner(address)(uint32)' "$validator")
[ "$id" = 5 ] || fail "the validator is not registered: its id is $id"
echo "cast registered $validator as validator $id"

# Blocks come through the load balancer, and Prometheus sees all nodes.
blocks_after() { (($(rpc http://127.0.0.1 eth_blockNumber | jq -r .result) > $1)); }
until_true 60 "there are blocks behind the load balancer" blocks_after 0
seen() {
    [ "$(curl -sfG 127.0.0.1:9093/api/v1/query --data-urlencode 'query=count(up{job="sequencer"} == 1)' |
        jq -r '.data.result[0].value[1]')" = 4 ]
}
until_true 60 "Prometheus sees four nodes" seen

try_all down -v >"$work/down.log" 2>&1 || fail "down: $(cat "$work/down.log")"
left=$(docker ps -aq; docker volume ls -q; docker network ls --format '{{.Name}}' | grep -vxE 'bridge|host|none' || true)
[ -z "$left" ] || fail "left over: $left"
echo "down, nothing left over"

#!/usr/bin/env bash
# Compares this server with redis-server on one machine: in turns, each pinned to one core, with redis-benchmark on another one. Prints the medians of the
# rounds: requests per second, the server's CPU time for one (which says the same on a machine that does other things too), and the ratios to redis-server.
#   ROUNDS=3 REQUESTS=200000 SCHEDULINGS="Inline EventLoop ThreadPool" TESTS="ping_inline ping_mbulk set get" ./compare.sh
set -euo pipefail
cd "$(dirname "$0")"
rounds=${ROUNDS:-3} requests=${REQUESTS:-200000} server_core=${SERVER_CORE:-0} client_core=${CLIENT_CORE:-1}
schedulings=${SCHEDULINGS:-Inline EventLoop ThreadPool} tests=${TESTS:-ping_inline ping_mbulk set get}
results=$(mktemp) pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -f "$results"' EXIT

start() { # port, command…
    local port=$1; shift
    taskset -c "$server_core" "$@" >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        [ "$(redis-cli -p "$port" PING 2>/dev/null)" = PONG ] && return
        sleep 0.1
    done
    echo "$1 does not answer on port $port." >&2
    exit 1
}

stop() {
    kill "$pid"
    wait "$pid" || true
    pid=
}

benchmark() { # port, test, depth, requests: requests per second
    taskset -c "$client_core" redis-benchmark -p "$1" -t "$2" -P "$3" -c 50 -n "$4" --csv | awk -F'"' 'NR == 2 { print $4 }'
}

ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; } # proc(5): 1/100 s, and the name has no spaces.

measure() { # name, port
    local test depth before rate count
    for test in $tests $tests; do # What is compiled while it runs is not measured.
        benchmark "$2" "$test" 1 50000 >/dev/null
        benchmark "$2" "$test" 16 500000 >/dev/null
    done
    for test in $tests; do
        for depth in 1 16; do
            count=$((depth == 1 ? requests : 5 * requests))
            before=$(ticks)
            rate=$(benchmark "$2" "$test" "$depth" "$count")
            echo "$test $depth $1 $rate $(awk "BEGIN { print ($(ticks) - $before) * 10000 / $count }")" >>"$results"
        done
    done
}

dotnet build -v q -c Release
for _ in $(seq "$rounds"); do
    start 16379 redis-server --port 16379 --save '' --appendonly no
    measure redis-server 16379
    stop
    for scheduling in $schedulings; do
        start 16380 dotnet bin/Release/net10.0/Resp.dll \
            --Peregrine:Endpoints:resp:Url=tcp://127.0.0.1:16380 "--Peregrine:Endpoints:resp:Scheduling=$scheduling"
        measure "$scheduling" 16380
        stop
    done
done

awk -v all="redis-server $schedulings" '
    { rate[$1 " " $2, $3] = rate[$1 " " $2, $3] " " $4; cpu[$1 " " $2, $3] = cpu[$1 " " $2, $3] " " $5; if (!seen[$1 " " $2]++) keys[++n] = $1 " " $2 }
    function median(list,   a, c, i, j, t) {
        c = split(list, a, " ")
        for (i = 2; i <= c; i++) for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
        return a[int((c + 1) / 2)]
    }
    END {
        count = split(all, who, " ")
        printf "%-15s", "test, -P"
        for (w = 1; w <= count; w++) printf " | %29s", who[w]
        print ""
        for (i = 1; i <= n; i++) {
            printf "%-15s", keys[i]
            for (w = 1; w <= count; w++) {
                r = median(rate[keys[i], who[w]]); c = median(cpu[keys[i], who[w]])
                if (w == 1) { r1 = r; c1 = c }
                printf " | %8.0f/s %4.2f %5.2f us %4.2f", r, r / r1, c, c1 / c
            }
            print ""
        }
    }' "$results"

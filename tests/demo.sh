#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The main job in twenty seconds, on loopback, without root: a throw-away SSH server with a web page
# behind it, a tunnel to the page, the violent death of the server, its return. Every command shown is
# the one that runs; whatever fails ends the demo with the logs. Called as `./dev demo`.
set -Eeuo pipefail

build=$(cd "$1" && pwd)
mode=${2-}
port=''
export PATH=$build/daemon:$build/ctl:$PATH:/usr/sbin:/sbin
last_demo=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}/tunneld-demo-$UID

bold='' dim='' off=''
if [[ -t 1 ]]; then bold=$'\033[1m' dim=$'\033[2m' off=$'\033[0m'; fi
title() { printf '\n%s%s%s\n\n' "$bold" "$*" "$off"; }
note() { printf '%s# %s%s\n' "$dim" "$*" "$off"; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [[ $SECONDS -le $deadline ]] || { echo "demo: $what did not happen" >&2; return 1; }
        sleep 0.02
    done
}

# --- stopping ------------------------------------------------------------------------------------

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# Ends what a demo in directory $1 has started, and nothing else: a process counts only while its
# command line still names the directory.
stop_all() {
    local name pid
    for name in tunneld web sshd; do
        [[ -r $1/$name.pid ]] || continue
        pid=$(<"$1/$name.pid")
        if grep -qaF "$1" "/proc/$pid/cmdline" 2>/dev/null; then
            kill "$pid" 2>/dev/null || true
            wait_for 5 "the end of $name (process $pid)" is_gone "$pid" || kill -9 "$pid"
        fi
    done
    rm -rf "$1"
}

stop_last() {
    [[ -L $last_demo ]] || { echo 'demo: none is running' >&2; exit 1; }
    # In /tmp anybody could have put the link there, and its target is about to be removed.
    [[ $(stat -c %u "$last_demo") -eq $UID ]] ||
        { echo "demo: $last_demo is not yours; nothing was stopped" >&2; exit 1; }
    stop_all "$(readlink "$last_demo")"
    rm -f "$last_demo"
    echo 'demo: stopped, and its files are gone'
}

# However the demo ends: on success by itself, on failure with what the programs said.
finish() {
    local code=$?
    trap - EXIT
    if [[ $code -ne 0 ]]; then
        printf '\ndemo: failed at line %s; the last lines of the logs:\n' "${failed_line:-?}" >&2
        tail -n 8 "$dir"/*.log >&2 || true
    fi
    [[ $code -eq 0 && $mode == --keep ]] || stop_all "$dir"
    exit "$code"
}

# --- steps ---------------------------------------------------------------------------------------

# Shows a command and runs it.
run() {
    printf '%s$ %s%s\n' "$bold" "$*" "$off"
    "$@"
}

# start NAME COMMAND...: in the background with a log, its process id in $dir/NAME.pid.
start() {
    local name=$1
    shift
    setsid "$@" >>"$dir/$name.log" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

log_says() { grep -q "$2" "$dir/$1.log"; }

free_port() {
    python3 -c 'import socket,sys
for port in [int(p) for p in sys.argv[1:]] + [0]:
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(s.getsockname()[1])
    break' "$@"
}

# sshd will not serve as root without more set-up, so root lends it an account that owns nothing.
as_server=() server_user=$(id -un)
if [[ $EUID -eq 0 ]]; then
    as_server=(setpriv --reuid=daemon --regid=nogroup --clear-groups)
    server_user=daemon
fi

start_sshd() {
    : >"$dir/sshd.log"
    start sshd "${as_server[@]}" "$(command -v sshd)" -D -e -f "$dir/server/sshd_config"
    wait_for 5 'the start of sshd' log_says sshd 'Server listening'
}

# A process and all that it has forked: sshd has two of them for each session.
family_of() {
    local children child
    echo "$1"
    read -r -a children <"/proc/$1/task/$1/children" || true
    for child in "${children[@]}"; do family_of "$child"; done
}

kill_sshd() {
    local pid family
    pid=$(<"$dir/sshd.pid")
    mapfile -t family < <(family_of "$pid")
    kill -9 "${family[@]}"
    wait "$pid" 2>/dev/null || true
}

make_server() {
    mkdir "$dir/server" "$dir/page"
    ssh-keygen -q -t ed25519 -N '' -C demo -f "$dir/key"
    ssh-keygen -q -t ed25519 -N '' -C demo -f "$dir/server/host_key"
    cp "$dir/key.pub" "$dir/server/authorized_keys"
    echo "[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 "$dir/server/host_key.pub")" >"$dir/known_hosts"
    cat >"$dir/server/sshd_config" <<-EOF
	ListenAddress 127.0.0.1
	Port $ssh_port
	HostKey $dir/server/host_key
	AuthorizedKeysFile $dir/server/authorized_keys
	PidFile none
	UsePAM no
	StrictModes no
	EOF
    echo 'Hello from behind the SSH server.' >"$dir/page/index.html"
    [[ $EUID -ne 0 ]] || chown -R daemon:nogroup "$dir/server"
    chmod 711 "$dir"
}

make_config() {
    cat >"$dir/tunneld.yaml" <<-EOF
	tunnels:
	  web:
	    host: $server_user@127.0.0.1:$ssh_port
	    identity: key
	    known_hosts: known_hosts
	    local: $port:127.0.0.1:$web_port
	EOF
}

# Of the tunnel or of its forward.
state_is() { tunctl --json list | grep -q "\"state\": *\"$1\""; }
state_is_not() { ! state_is "$1"; }

fetch() { run curl -sSf -m 15 "http://127.0.0.1:$port/"; }

# --- the show ------------------------------------------------------------------------------------

show_start() {
    title '1. A configuration, and a daemon'
    run cat tunneld.yaml
    echo
    printf '%s$ tunneld -c tunneld.yaml &%s\n' "$bold" "$off"
    start tunneld "$(command -v tunneld)" -c "$dir/tunneld.yaml" -s "$TUNNELD_SOCKET" --state-dir "$dir/state"
    wait_for 5 'the start of tunneld' test -S "$TUNNELD_SOCKET"
    run tunctl up web --timeout 10s
    echo
    run tunctl list
    echo
    fetch
}

show_death() {
    title '2. The server dies: kill -9 of all its processes'
    kill_sshd
    wait_for 5 'noticing the death' state_is_not up
    run tunctl list
    echo
    note 'A client that comes now is not refused. It waits:'
    fetch &
    client=$!
    wait_for 5 'the arrival of the client' state_is waiting
}

show_return() {
    title '3. The server comes back'
    local started=${EPOCHREALTIME/[.,]/}
    start_sshd
    wait "$client"
    local served=${EPOCHREALTIME/[.,]/}
    note "served $(((served - started) / 1000)) ms after the start of sshd"
    echo
    wait_for 5 'the return of the tunnel' state_is up
    run tunctl list
    echo
    printf '%s$ tunctl inspect web | grep -A99 Events%s\n' "$bold" "$off"
    tunctl inspect web | grep -A99 Events
}

show_end() {
    local config=\~/.config/tunneld/tunneld.yaml key=\~/.ssh/id_ed25519
    # root gets the instance of the system, which has no keys of its own to fall back on.
    if [[ $EUID -eq 0 ]]; then config=/etc/tunneld/tunneld.yaml key=/root/.ssh/id_ed25519; fi
    title 'Your own'
    cat <<-EOF
	Write $config, for example

	    tunnels:
	      db:
	        host: me@server.example.com
	        identity: $key
	        local: 5432:localhost:5432

	and start $build/daemon/tunneld
	EOF
    if [[ $mode == --keep ]]; then
        ln -sfn "$dir" "$last_demo"
        title 'This one keeps running. To play with it:'
        echo "    export TUNNELD_SOCKET=$TUNNELD_SOCKET PATH=$build/ctl:\$PATH"
        echo "    tunctl list"
        echo "    curl http://127.0.0.1:$port/"
        echo "    ./dev demo --stop"
        echo
        echo "Its files are in $dir"
    else
        echo
        note "The demo's files were in $dir; ./dev demo --keep leaves them, and all of it running."
    fi
}

if [[ $mode == --stop ]]; then
    stop_last
    exit
fi
if [[ -L $last_demo && -d $(readlink "$last_demo") ]]; then
    echo "demo: one is still running; end it with ./dev demo --stop" >&2
    exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/tunneld-demo.XXXXXX")
trap 'failed_line=$LINENO' ERR
trap finish EXIT
trap 'exit 130' INT TERM
export TUNNELD_SOCKET=$dir/control.sock
cd "$dir"

ssh_port=$(free_port) port=$(free_port 8080 8000 8888)
start web python3 -u -m http.server --bind 127.0.0.1 --directory "$dir/page" 0
make_server
start_sshd
wait_for 5 'the start of the web server' log_says web 'Serving HTTP'
web_port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' web.log)
make_config

echo "${bold}tunneld keeps SSH tunnels alive.${off} Here: one tunnel, a real sshd, and its sudden death."
echo
echo "    curl → 127.0.0.1:$port → tunneld ══ SSH ══ sshd 127.0.0.1:$ssh_port → web server :$web_port"
show_start
show_death
show_return
show_end

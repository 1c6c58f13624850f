#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs ./dev in a minimal tree of another Debian release, with that release's compiler, libssh and
# OpenSSH. The tree is made once, by debootstrap, and kept in build-SUITE/; what ./dev installs stays
# in it. Mounts and processes live in namespaces of their own and are gone when it ends, whatever
# happened. Called as `./dev release SUITE VERB…`, from the top of the repository.
set -euo pipefail

mirror=${DEV_MIRROR:-http://deb.debian.org/debian}
home=$PWD

die() { printf 'dev: %s\n' "$*" >&2; exit 1; }

# The tree is there as a whole or not at all.
make_tree() {
    local making=$tree.making
    rm -rf "$making"
    mkdir -p "$making"
    debootstrap --variant=minbase "$suite" "$making" "$mirror" >&2
    # Packages start services where they can; here they would be services of this machine.
    printf '#!/bin/sh\nexit 101\n' >"$making/usr/sbin/policy-rc.d"
    chmod 755 "$making/usr/sbin/policy-rc.d"
    echo release >"$making/etc/hostname"
    mv "$making" "$tree"
}

# Inside the namespaces. The repository keeps its name, because names of sockets have a limit, and a
# build tree remembers where it was made.
enter() {
    local name
    mount --make-rprivate /
    mount --bind "$tree" "$tree" # a root has to be a mount
    for name in dev sys; do
        mount --rbind "/$name" "$tree/$name"
    done
    mount -t proc proc "$tree/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$tree/run"
    touch "$tree/etc/resolv.conf" "$tree/etc/hosts"
    cat /etc/resolv.conf >"$tree/etc/resolv.conf"
    cat /etc/hosts >"$tree/etc/hosts"
    for name in "$home" "$git"; do
        mkdir -p "$tree$name"
        mount --bind "$name" "$tree$name"
    done
    cd "$tree"
    pivot_root . mnt # not chroot: inside one nobody can make namespaces, as some tests do
    # shellcheck disable=SC2016 # the shell inside expands it
    exec chroot . env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" DEV_BUILD="build-$suite/build" \
        GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
        ${CC:+CC="$CC"} ${CI:+CI="$CI"} ${DEV_TEST_JOBS:+DEV_TEST_JOBS="$DEV_TEST_JOBS"} \
        ${DEV_MESON_ARGS:+DEV_MESON_ARGS="$DEV_MESON_ARGS"} \
        bash -c 'umount -l /mnt && cd "$1" && shift && exec ./dev "$@"' dev "$home" "$@"
}

if [[ ${1-} == --inside ]]; then
    suite=$2 tree=$3 git=$4
    shift 4
    enter "$@"
fi

[[ $# -ge 2 ]] || die "usage: ./dev release SUITE VERB [ARGUMENT…], for instance: release trixie test"
[[ $EUID -eq 0 ]] || die "'release' needs root: it makes a tree of another Debian and mounts into it"
suite=$1
shift
[[ $suite =~ ^[a-z]+$ ]] || die "'$suite' is no name of a Debian release; write trixie or sid"
tree=$home/build-$suite/tree
[[ -d $tree ]] || make_tree
# Of a linked worktree the rest stands elsewhere.
git=$(git rev-parse --path-format=absolute --git-common-dir 2>/dev/null || echo "$home")
exec unshare --mount --pid --fork --kill-child "$0" --inside "$suite" "$tree" "$git" "$@"

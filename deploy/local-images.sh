#!/usr/bin/env bash
# Images for docker-compose-testnet.yml out of the programs of this machine, where no image registry can be
# reached: each program with its libraries on an empty image. Prints the variables for the compose file.
#
#   deploy/local-images.sh target/release >local-images.env     # where ande-node and ande were built
#
# Needs docker with BuildKit, haproxy, prometheus, busybox and what npm installed; makes
# Alertmanager's image where prometheus-alertmanager is installed, Grafana's never.
set -euo pipefail
programs=$(readlink -f "${1:?usage: deploy/local-images.sh DIRECTORY-OF-THE-PROGRAMS}")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
foundry=$PWD/node_modules/@foundry-rs

# file_of NAME: the program's file.
file_of() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" || { echo "$1 is not installed" >&2; exit 1; }; }

# libraries PROGRAM...: copies what they are linked to into $root.
libraries() {
    # A static program has none.
    { ldd "$@" 2>/dev/null || true; } | { grep -o '/[^ ]*\.so[^ ]*' || true; } | sort -u |
        while read -r file; do install -D "$(readlink -f "$file")" "$root$file"; done
}

# begin: an empty root with /tmp, root's name and name service.
begin() {
    root=$work/root
    rm -rf "$root"
    mkdir -p "$root/tmp" "$root/etc/ssl" "$root/usr/bin"
    chmod 1777 "$root/tmp"
    echo 'root:x:0:0::/:/' >"$root/etc/passwd"
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
    cp -r /etc/ssl/certs "$root/etc/ssl/"
    for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
        file=$(ldconfig -p | awk -v name="$library" '$1 == name && !file { file = $NF } END { print file }')
        [ -z "$file" ] || install -D "$(readlink -f "$file")" "$root$file"
    done
}

# end TAG: makes the image.
end() { tar -C "$root" -c . | docker import --change 'ENV PATH=/usr/bin' - "$1" >/dev/null; }

begin
libraries "$programs/ande-node" "$programs/ande"
end ande-base:local
mkdir "$work/programs"
for program in ande-node ande; do strip -o "$work/programs/$program" "$programs/$program"; done
DOCKER_BUILDKIT=1 docker build -q -f deploy/Dockerfile -t ande:local \
    --build-arg PROGRAMS=built-before --build-arg BASE=ande-base:local "$work/programs" >/dev/null
echo ANDE_IMAGE=ande:local

begin
for program in anvil cast; do install "$foundry"/$program-*/bin/$program "$root/usr/bin/"; done
libraries "$root"/usr/bin/*
end foundry:local
echo FOUNDRY_IMAGE=foundry:local

begin
install "$(file_of haproxy)" "$root/usr/bin/haproxy"
install "$(file_of busybox)" "$root/usr/bin/wget"
libraries "$root"/usr/bin/*
end haproxy:local
echo HAPROXY_IMAGE=haproxy:local

for name in prometheus alertmanager; do
    program=$name
    [ "$name" = prometheus ] || program=prometheus-alertmanager
    if [ "$name" = alertmanager ] && ! command -v "$program" >/dev/null; then continue; fi
    begin
    install "$(file_of "$program")" "$root/usr/bin/$name"
    install "$(file_of busybox)" "$root/usr/bin/wget"
    libraries "$root"/usr/bin/*
    install -d -o 65534 -g 65534 "$root/$name"
    # Debian's Alertmanager reads its templates from files.
    templates=/usr/share/prometheus/alertmanager
    if [ "$name" = alertmanager ]; then install -D -t "$root$templates" "$templates"/*.tmpl; fi
    end $name:local
    echo "${name^^}_IMAGE=$name:local"
done

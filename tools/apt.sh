# Sourced by the other scripts: installing Debian and Ubuntu packages, when there is a right to.

# apt_install REASON PACKAGE... : installs, or says what to type and returns 1.
apt_install() {
    local reason=$1
    shift
    local -a as_root=()
    if [[ $(id -u) != 0 ]]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            printf '%s Type this, then try again:\n\n    sudo apt-get update && sudo apt-get install -y --no-install-recommends %s\n\n' \
                "$reason" "$*" >&2
            return 1
        fi
    fi
    printf '%s Installing %s.\n' "$reason" "$*" >&2
    # A mirror may not answer while the lists at hand are still good.
    "${as_root[@]}" apt-get update -qq >&2 || echo "apt-get update failed; trying with the lists at hand." >&2
    local said
    said=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
}

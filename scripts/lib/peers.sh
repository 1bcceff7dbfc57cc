# shellcheck shell=bash
# The peers that a release is measured beside (scripts/bench.sh peers): programs in Python, each with its own pinned
# packages in a virtual environment. To be sourced.

# shellcheck source=scripts/lib/cache.sh
source "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

# Until the packages of a peer are there: some 100 MB from the package index that pip uses here.
PEER_PATIENCE=900

# The lists name every package, so that none is added that the peer does not use (MediaPipe's would be 700 MB more).
# At last the peer's packages have to be found by it, or the environment is not kept.
make_peer() { # REQUIREMENTS MODULE OUT
    python3 -m venv "$3"
    timeout "$PEER_PATIENCE" "$3/bin/python" -m pip install --quiet --no-deps --only-binary :all: --retries 2 \
        --requirement "$1"
    "$3/bin/python" -c "import $2" 2>/dev/null || die "python cannot import $2 after its installation"
}

# Leaves the path of its Python in PEER_PYTHON, which is empty if the peer cannot be installed. Not to be called in a
# condition: there the first command that fails would not end the installation.
use_peer() { # NAME MODULE
    local status=0 requirements=$FACETAP_TOP/tests/tools/peer_$1.txt
    local recipe=("peer-$1" "$requirements" "$(python3 --version)" "$(declare -f make_peer)"
        -- make_peer "$requirements" "$2")
    PEER_PYTHON=''
    # In a process of its own, so that a failure ends no more than that.
    cached "${recipe[@]}" &
    wait "$!" || status=$?
    if [[ $status -ne 0 ]]; then
        say "MISSING: the peer $1 cannot be installed (the lines above say why); the rest is measured without it" >&2
        return
    fi
    cached "${recipe[@]}"
    # shellcheck disable=SC2034  # for the scripts that source this
    PEER_PYTHON=$CACHED/bin/python
}

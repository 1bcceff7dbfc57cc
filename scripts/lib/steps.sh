# shellcheck shell=bash
# A row of named steps, each with what it needs, run until the first that fails. To be sourced.
#
# A script declares its steps in their order (`declare_step`), chooses some of them (`choose_form`, `choose_steps`), and
# runs them (`run_steps`): the step a-b is the function `do_a_b`.

# shellcheck source=scripts/lib/base.sh
source "$(dirname "${BASH_SOURCE[0]}")/base.sh"

STEP_NAMES=()
declare -A STEP_FORMS=() STEP_NEEDS=() STEP_TEXTS=() STEP_CHOSEN=()
finished=() current='' started=0

# The forms in which a step is run, and the steps that it needs, are words in one argument each.
declare_step() { # NAME FORMS NEEDS TEXT
    STEP_NAMES+=("$1")
    STEP_FORMS[$1]=$2 STEP_NEEDS[$1]=$3 STEP_TEXTS[$1]=$4
}

# A line for each step, marked with the forms that it belongs to.
list_steps() {
    local name
    for name in "${STEP_NAMES[@]}"; do
        printf '  %-15s %s (%s)\n' "$name" "${STEP_TEXTS[$name]}" "${STEP_FORMS[$name]// /, }"
    done
}

choose_form() { # FORM
    local name
    for name in "${STEP_NAMES[@]}"; do
        if [[ " ${STEP_FORMS[$name]} " == *" $1 "* ]]; then
            STEP_CHOSEN[$name]=yes
        fi
    done
}

# The named step and whatever it needs.
choose_step() { # NAME
    local need
    [[ -n ${STEP_TEXTS[$1]:-} ]] || wrong_usage "there is no step \"$1\""
    STEP_CHOSEN[$1]=yes
    for need in ${STEP_NEEDS[$1]}; do
        choose_step "$need"
    done
}

is_chosen() { # NAME
    [[ -n ${STEP_CHOSEN[$1]:-} ]]
}

minutes() {
    printf '%d min %02d s' $(($1 / 60)) $(($1 % 60))
}

# Ends the step before and begins the named one.
step() {
    if [[ -n $current ]]; then
        finished+=("$(printf '%-15s %s' "$current" "$(minutes $((SECONDS - started)))")")
    fi
    current=$1 started=$SECONDS
    if [[ -n $current ]]; then
        printf '\n==> %s\n' "$current"
    fi
}

# Whatever ends the script early ends it here.
end_of_steps() {
    if [[ -n $current ]]; then
        printf '\nFAILED: %s, after %s. The lines above say why.\n' "$current" "$(minutes $SECONDS)" >&2
        exit 1
    fi
}

# Runs what was chosen, in the order of the declarations. No step is called in a condition, so that the first command
# that fails in one ends the run.
run_steps() {
    local name
    for name in "${STEP_NAMES[@]}"; do
        is_chosen "$name" || continue
        step "$name"
        "do_${name//-/_}"
    done
    step ''
}

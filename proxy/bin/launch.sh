# Shared by the three launchers: finds Node 26 or newer, then replaces the shell by it. POSIX sh.
#
# Use, from <root>/<part>/bin/<launcher>:
#   outrigger_root=$(dirname -- "$(readlink -f -- "$0")")/../..
#   . "$outrigger_root/proxy/bin/launch.sh"
#   outrigger_launch iptables-init/main "$@"
#
# Node:   OUTRIGGER_NODE if set (then nothing else is tried), else <root>/node_modules/.bin/node, else `node` on PATH.
# Entry:  <root>/<entry>.ts; <root>/dist/<entry>.js where the sources are absent or OUTRIGGER_EMITTED=1.
# Flags:  words in outrigger_node_flags, set by the launcher before the call, go to node before the entry.
# Errors: a message on standard error and exit code 1.

outrigger_least_node_major=26

outrigger_fail() {
  printf '%s: %s\n' "$(basename -- "$0")" "$1" >&2
  exit 1
}

# Prints the major version of the node binary $1; prints nothing where it is no node.
outrigger_node_major() {
  outrigger_version=$("$1" --version 2>/dev/null </dev/null) || return 0
  outrigger_version=${outrigger_version#v}
  outrigger_version=${outrigger_version%%.*}
  case $outrigger_version in
    '' | *[!0-9]*) ;;
    *) printf '%s\n' "$outrigger_version" ;;
  esac
}

# Returns 0 and sets outrigger_node where $1 is new enough; else adds the reason to outrigger_tried.
outrigger_try_node() {
  outrigger_major=$(outrigger_node_major "$1")
  if [ -n "$outrigger_major" ] && [ "$outrigger_major" -ge "$outrigger_least_node_major" ]; then
    outrigger_node=$1
    return 0
  fi
  if [ -n "$outrigger_major" ]; then
    outrigger_tried="$outrigger_tried; $1 is version $outrigger_major"
  else
    outrigger_tried="$outrigger_tried; $1 does not run"
  fi
  return 1
}

outrigger_find_node() {
  outrigger_tried=
  if [ -n "${OUTRIGGER_NODE:-}" ]; then
    outrigger_try_node "$OUTRIGGER_NODE" && return 0
    outrigger_fail "OUTRIGGER_NODE must name a Node $outrigger_least_node_major or newer (${outrigger_tried#; })"
  fi
  outrigger_try_node "$outrigger_root/node_modules/.bin/node" && return 0
  outrigger_try_node node && return 0
  outrigger_fail "needs Node $outrigger_least_node_major or newer (${outrigger_tried#; }); run \`npm ci\` in $outrigger_root, or set OUTRIGGER_NODE"
}

# outrigger_launch <entry, relative to the root, without extension> <arguments of the program>...
outrigger_launch() {
  outrigger_root=$(CDPATH='' cd -- "$outrigger_root" && pwd -P) || outrigger_fail 'cannot find its own root folder'
  outrigger_source=$outrigger_root/$1.ts
  outrigger_emitted=$outrigger_root/dist/$1.js
  shift
  if [ -f "$outrigger_emitted" ] && { [ "${OUTRIGGER_EMITTED:-}" = 1 ] || [ ! -f "$outrigger_source" ]; }; then
    outrigger_entry=$outrigger_emitted
  elif [ "${OUTRIGGER_EMITTED:-}" = 1 ]; then
    outrigger_fail "OUTRIGGER_EMITTED=1, but $outrigger_emitted is not there; run \`npm run build\`"
  elif [ -f "$outrigger_source" ]; then
    outrigger_entry=$outrigger_source
  else
    outrigger_fail "neither $outrigger_source nor $outrigger_emitted is there"
  fi
  outrigger_find_node
  # Split into words on purpose: the launcher's own flags, never a user's text.
  # shellcheck disable=SC2086
  exec "$outrigger_node" ${outrigger_node_flags:-} "$outrigger_entry" "$@"
}

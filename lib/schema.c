/* SPDX-License-Identifier: MIT */
/*
 * See schema.h. A new key is a new row here and a member in config_layer.h or config.h; the decoder
 * changes only when the key needs a type that does not exist yet.
 */
#include "lib/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/config_layer.h"
#include "lib/config_read.h"
#include "lib/duration.h"
#include "lib/str.h"
#include "lib/util.h"

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	HOUR = 60 * MINUTE,
};

/* Of what a host of ssh_config may have (readconf.h of OpenSSH), nothing is left out here. */
enum {
	SSH_KEYS_MAX =
		100, /* SSH_MAX_IDENTITY_FILES, _CERTIFICATE_FILES; the agent comes behind them */
	SSH_KNOWN_HOSTS_MAX = 32, /* SSH_MAX_HOSTS_FILES, of the user's and of the system's each */
};

static const char *start_word(unsigned index)
{
	return start_mode_name((enum start_mode)index);
}

static const char *log_level_word(unsigned index)
{
	return log_level_name((enum log_level)index);
}

static const char *prefer_word(unsigned index)
{
	return prefer_mode_name((enum prefer_mode)index);
}

static const char *family_word(unsigned index)
{
	return address_family_name((enum address_family)index);
}

static const char *forwards_from_word(unsigned index)
{
	return index == FORWARDS_FROM_SSH_CONFIG ? "from-ssh-config" : "written";
}

static const struct schema_words prefer_words = { prefer_word, PREFER_MODE_COUNT };
static const struct schema_words family_words = { family_word, FAMILY_COUNT };
static const struct schema_words forwards_from_words = { forwards_from_word, FORWARDS_FROM_COUNT };
static const struct schema_words start_words = { start_word, START_MODE_COUNT };
static const struct schema_words log_level_words = { log_level_word, LOG_LEVEL_COUNT };

enum { FORWARDS_MAX = 1024 }; /* of one type in one tunnel */

#define FORWARDS (PLACE_BIT(PLACE_TUNNEL) | PLACE_BIT(PLACE_FORWARDS))
#define FORWARD PLACE_BIT(PLACE_FORWARD)

/* The keys that may stand in defaults, hosts and tunnels. */
#define CONNECTION (PLACE_BIT(PLACE_DEFAULTS) | PLACE_BIT(PLACE_HOST) | PLACE_BIT(PLACE_TUNNEL))

#define IN_TOP(member) offsetof(struct config_reading, member)
#define IN_DAEMON(member) offsetof(struct daemon_settings, member)
#define IN_LAYER(member) offsetof(struct config_layer, member)
#define IN_TUNNEL(member) offsetof(struct config_tunnel_draft, member)
#define IN_FORWARD(member) offsetof(struct config_forward_draft, member)

/* clang-format off */
const struct schema_key schema_keys[] = {
	/* top */
	{ .name = "include", .places = PLACE_BIT(PLACE_TOP), .type = SCHEMA_GLOBS,
	  .max = CONFIG_PATTERNS_MAX, .repeats = true, .offset = IN_TOP(patterns),
	  .help = "files to read as well; * and ? may stand in the last part of a path" },
	{ .name = "daemon", .places = PLACE_BIT(PLACE_TOP), .type = SCHEMA_MAP,
	  .inner = PLACE_DAEMON, .offset = IN_TOP(daemon),
	  .help = "settings of the daemon itself" },
	{ .name = "ssh_config", .places = PLACE_BIT(PLACE_TOP), .type = SCHEMA_SSH_CONFIG,
	  .fallback = "yes", .system_fallback = "no", .offset = IN_TOP(ssh_config),
	  .help = "whether hosts that are not in hosts are looked up in ~/.ssh/config, or in another "
		  "file" },
	{ .name = "defaults", .places = PLACE_BIT(PLACE_TOP), .type = SCHEMA_MAP,
	  .inner = PLACE_DEFAULTS, .offset = IN_TOP(defaults),
	  .help = "what every host and tunnel has unless it says otherwise, in all files" },
	{ .name = "hosts", .places = PLACE_BIT(PLACE_TOP), .type = SCHEMA_ENTRIES,
	  .inner = PLACE_HOST, .repeats = true, .offset = IN_TOP(hosts),
	  .help = "servers by name, with what is needed to log in there" },
	{ .name = "tunnels", .places = PLACE_BIT(PLACE_TOP), .type = SCHEMA_ENTRIES,
	  .inner = PLACE_TUNNEL, .repeats = true, .offset = IN_TOP(tunnels),
	  .help = "the tunnels to keep alive, by name" },

	/* daemon */
	{ .name = "workers", .places = PLACE_BIT(PLACE_DAEMON), .type = SCHEMA_INTEGER,
	  .fallback = "auto", .min = 1, .max = 64, .zero = "auto", .offset = IN_DAEMON(workers),
	  .help = "worker processes; auto is one per CPU, at most 4" },
	{ .name = "log_level", .places = PLACE_BIT(PLACE_DAEMON), .type = SCHEMA_WORD,
	  .words = &log_level_words, .fallback = "info", .offset = IN_DAEMON(log_level),
	  .help = "how much is logged" },

	/* how to reach a server; the nearest place wins */
	{ .name = "user", .places = CONNECTION, .type = SCHEMA_USER,
	  .fallback_text = "the user the daemon runs as", .offset = IN_LAYER(connection.user),
	  .help = "login name on the server" },
	{ .name = "jump", .places = CONNECTION, .type = SCHEMA_JUMPS, .min = 1, .max = 8,
	  .fallback_text = "none", .offset = IN_LAYER(jump),
	  .help = "servers to go through, in this order: names from hosts, or [user@]host[:port]" },
	{ .name = "share", .places = CONNECTION, .type = SCHEMA_BOOLEAN,
	  .fallback = "yes", .offset = IN_LAYER(connection.share),
	  .help = "whether tunnels that go through this server with the same settings use one "
		  "session there" },
	{ .name = "proxy", .places = CONNECTION, .type = SCHEMA_PROXY,
	  .fallback_text = "none", .offset = IN_LAYER(connection.proxy),
	  .help = "a proxy to go through: socks5://, socks4:// or http://[user:password@]host:port; "
		  "with a password nobody else may be able to read the file; none" },
	{ .name = "proxy_command", .places = CONNECTION, .type = SCHEMA_COMMAND,
	  .fallback_text = "none", .min = 1, .max = 64,
	  .offset = IN_LAYER(connection.proxy_command),
	  .help = "a command whose standard input and output lead to the server: a list of words, "
		  "or a line for the shell; %h, %p, %r, %n and %% are replaced; none" },
	{ .name = "bind_address", .places = CONNECTION, .type = SCHEMA_HOST_NAME,
	  .fallback_text = "the system chooses", .offset = IN_LAYER(connection.bind_address),
	  .help = "an address, or an interface, of this machine to connect from; any" },
	{ .name = "address_family", .places = CONNECTION, .type = SCHEMA_WORD,
	  .words = &family_words, .fallback = "any",
	  .offset = IN_LAYER(connection.address_family),
	  .help = "which addresses of a server are used: IPv4 (inet), IPv6 (inet6) or both" },
	{ .name = "tcp_keepalive", .places = CONNECTION, .type = SCHEMA_BOOLEAN,
	  .fallback = "yes", .offset = IN_LAYER(connection.tcp_keepalive),
	  .help = "whether TCP itself also asks for signs of life" },
	{ .name = "ip_qos", .places = CONNECTION, .type = SCHEMA_QOS,
	  .fallback = "none", .offset = IN_LAYER(connection.ip_qos),
	  .help = "class of service of our packets, as IPQoS of ssh: af11, cs1, ef, le, throughput, a "
		  "number, or none; of two the second counts" },
	{ .name = "identity", .places = CONNECTION, .type = SCHEMA_IDENTITIES,
	  .fallback = "[~/.ssh/id_ed25519, ~/.ssh/id_ecdsa, ~/.ssh/id_rsa]", .system_fallback = "",
	  .min = 1, .max = SSH_KEYS_MAX + 1, .offset = IN_LAYER(connection.identities),
	  .help = "private key files, tried in this order; credential:NAME is one of systemd's "
		  "credentials, agent is what the agent has" },
	{ .name = "identities_only", .places = CONNECTION, .type = SCHEMA_BOOLEAN,
	  .fallback = "no", .offset = IN_LAYER(connection.identities_only),
	  .help = "whether of the agent's keys only those named by identity are used" },
	{ .name = "certificate_file", .places = CONNECTION, .type = SCHEMA_FILES,
	  .fallback_text = "KEY-cert.pub beside each key", .min = 1, .max = SSH_KEYS_MAX,
	  .offset = IN_LAYER(connection.certificate_files),
	  .help = "certificates for the identities" },
	{ .name = "identity_agent", .places = CONNECTION, .type = SCHEMA_AGENT,
	  .fallback = "SSH_AUTH_SOCK", .system_fallback = "none",
	  .offset = IN_LAYER(connection.identity_agent),
	  .help = "the agent's socket: a path, SSH_AUTH_SOCK (the variable) or none" },
	{ .name = "passphrase", .places = CONNECTION, .type = SCHEMA_SECRET,
	  .fallback_text = "tunctl auth asks", .offset = IN_LAYER(connection.passphrase),
	  .help = "a file, or credential:NAME, with the passphrase of the identities" },
	{ .name = "password", .places = CONNECTION, .type = SCHEMA_SECRET,
	  .fallback_text = "tunctl auth asks", .offset = IN_LAYER(connection.password),
	  .help = "a file, or credential:NAME, with the password of the user on the server" },
	{ .name = "known_hosts", .places = CONNECTION, .type = SCHEMA_PATHS,
	  .fallback = "[~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts]",
	  .system_fallback = "[/etc/tunneld/known_hosts, /var/lib/tunneld/known_hosts, "
			     "/etc/ssh/ssh_known_hosts]",
	  .min = 1, .max = 2 * SSH_KNOWN_HOSTS_MAX, .offset = IN_LAYER(connection.known_hosts),
	  .help = "files with the host keys of servers, as OpenSSH writes them" },
	{ .name = "host_key", .places = CONNECTION, .type = SCHEMA_HOST_KEY,
	  .fallback = "strict", .min = 1, .max = 16, .offset = IN_LAYER(connection.host_key),
	  .help = "strict: the server has to be in known_hosts; accept-new: a server that is not is "
		  "added; { pin: SHA256:... } or a public key: it has that key" },
	{ .name = "host_key_alias", .places = CONNECTION, .type = SCHEMA_HOST_ALIAS,
	  .fallback_text = "the server's address",
	  .offset = IN_LAYER(connection.host_key_alias),
	  .help = "the name to look up in known_hosts instead" },
	{ .name = "ciphers", .places = CONNECTION, .type = SCHEMA_ALGORITHMS,
	  .fallback_text = "the fastest for this CPU first",
	  .offset = IN_LAYER(connection.ciphers),
	  .help = "ciphers to offer, best first, separated by commas" },
	{ .name = "kex", .places = CONNECTION, .type = SCHEMA_ALGORITHMS,
	  .fallback_text = "the ones that are cheap to answer",
	  .offset = IN_LAYER(connection.kex),
	  .help = "key exchanges to offer, best first, separated by commas" },
	{ .name = "macs", .places = CONNECTION, .type = SCHEMA_ALGORITHMS,
	  .fallback_text = "encrypt-then-mac first",
	  .offset = IN_LAYER(connection.macs),
	  .help = "message authentication codes to offer, best first, separated by commas" },
	{ .name = "host_key_algorithms", .places = CONNECTION, .type = SCHEMA_ALGORITHMS,
	  .fallback_text = "those of the known keys first",
	  .offset = IN_LAYER(connection.host_key_algorithms),
	  .help = "kinds of host keys to accept, best first, separated by commas" },
	{ .name = "compression", .places = CONNECTION, .type = SCHEMA_BOOLEAN,
	  .fallback = "no", .offset = IN_LAYER(connection.compression),
	  .help = "whether the server is asked to compress; rarely a gain" },
	{ .name = "rekey", .places = CONNECTION, .type = SCHEMA_REKEY,
	  .fallback_text = "after what the protocol asks for", .offset = IN_LAYER(connection),
	  .help = "new keys after so many bytes, and after so long: 1G, 1G 1h, default 1h" },
	{ .name = "keepalive", .places = CONNECTION, .type = SCHEMA_MAP,
	  .inner = PLACE_KEEPALIVE, .offset = 0,
	  .help = "how a dead connection is noticed" },
	{ .name = "reconnect", .places = CONNECTION, .type = SCHEMA_MAP,
	  .inner = PLACE_RECONNECT, .offset = 0,
	  .help = "how long to wait before trying again" },
	{ .name = "connect_timeout", .places = CONNECTION, .type = SCHEMA_DURATION,
	  .fallback = "20s", .min = 100, .max = HOUR, .offset = IN_LAYER(upkeep.connect_timeout_ms),
	  .help = "the whole way from the start of an attempt until the tunnel is up" },
	{ .name = "hold", .places = CONNECTION, .type = SCHEMA_DURATION,
	  .fallback = "10s", .min = 0, .max = HOUR, .offset = IN_LAYER(upkeep.hold_ms),
	  .help = "how long clients wait while the tunnel is down; 0 resets them at once" },
	{ .name = "exit_on_forward_failure", .places = CONNECTION, .type = SCHEMA_BOOLEAN,
	  .fallback = "no", .offset = IN_LAYER(upkeep.exit_on_forward_failure),
	  .help = "yes: a forward that cannot be set up ends the connection; no: the tunnel is "
		  "degraded and that forward alone is tried again" },

	/* keepalive, reconnect */
	{ .name = "interval", .places = PLACE_BIT(PLACE_KEEPALIVE), .type = SCHEMA_DURATION,
	  .fallback = "15s", .min = 100, .max = 24 * HOUR, .zero = "off",
	  .offset = IN_LAYER(upkeep.keepalive_interval_ms),
	  .help = "silence after which the server is asked for a sign of life" },
	{ .name = "count", .places = PLACE_BIT(PLACE_KEEPALIVE), .type = SCHEMA_INTEGER,
	  .fallback = "3", .min = 1, .max = 100, .offset = IN_LAYER(upkeep.keepalive_count),
	  .help = "intervals without a sign of life until the connection counts as dead" },
	{ .name = "min", .places = PLACE_BIT(PLACE_RECONNECT), .type = SCHEMA_DURATION,
	  .fallback = "500ms", .min = 10, .max = HOUR,
	  .offset = IN_LAYER(upkeep.reconnect_min_ms),
	  .help = "the first wait; each further one is twice as long, with chance added" },
	{ .name = "max", .places = PLACE_BIT(PLACE_RECONNECT), .type = SCHEMA_DURATION,
	  .fallback = "60s", .min = 10, .max = 24 * HOUR,
	  .offset = IN_LAYER(upkeep.reconnect_max_ms),
	  .help = "the longest wait" },
	{ .name = "stable", .places = PLACE_BIT(PLACE_RECONNECT), .type = SCHEMA_DURATION,
	  .fallback = "10s", .min = 0, .max = HOUR,
	  .offset = IN_LAYER(upkeep.reconnect_stable_ms),
	  .help = "a connection that lasted so long is retried at once when it breaks" },

	/* hosts.NAME */
	{ .name = "address", .places = PLACE_BIT(PLACE_HOST), .type = SCHEMA_ADDRESS,
	  .fallback_text = "the name of the entry",
	  .offset = IN_LAYER(connection),
	  .help = "where the server is, host[:port]" },

	/* tunnels.NAME */
	{ .name = "host", .places = PLACE_BIT(PLACE_TUNNEL), .type = SCHEMA_HOST,
	  .required = true, .min = 1, .max = 16, .offset = IN_TUNNEL(hosts),
	  .help = "the server: a name from hosts, or [user@]host[:port]; of a list the next one is "
		  "tried when one fails" },
	{ .name = "prefer", .places = PLACE_BIT(PLACE_TUNNEL), .type = SCHEMA_WORD,
	  .words = &prefer_words, .fallback = "first", .offset = IN_TUNNEL(prefer),
	  .help = "of several hosts: go back to the first when it works again, or stay with any" },
	{ .name = "failback", .places = PLACE_BIT(PLACE_TUNNEL), .type = SCHEMA_DURATION,
	  .fallback = "5m", .min = SECOND, .max = 7 * 24 * HOUR, .zero = "off",
	  .offset = IN_TUNNEL(failback_ms),
	  .help = "how long until a better host is tried again" },
	{ .name = "local", .places = FORWARDS, .type = SCHEMA_FORWARDS,
	  .inner = PLACE_FORWARD, .min = 1, .max = FORWARDS_MAX, .one_of = true,
	  .offset = IN_TUNNEL(forwards),
	  .help = "ports to listen on here and where they lead, as after ssh -L" },
	{ .name = "remote", .places = FORWARDS, .type = SCHEMA_FORWARDS,
	  .inner = PLACE_FORWARD, .min = 1, .max = FORWARDS_MAX, .one_of = true,
	  .offset = IN_TUNNEL(forwards),
	  .help = "ports the server listens on and where they lead from here, as after ssh -R; "
		  "a mapping without target is a SOCKS and HTTP proxy for the server's clients" },
	{ .name = "dynamic", .places = FORWARDS, .type = SCHEMA_FORWARDS,
	  .inner = PLACE_FORWARD, .min = 1, .max = FORWARDS_MAX, .one_of = true,
	  .offset = IN_TUNNEL(forwards),
	  .help = "ports to listen on here as SOCKS4, SOCKS4a, SOCKS5 and HTTP proxy, as after "
		  "ssh -D" },
	{ .name = "forwards", .places = PLACE_BIT(PLACE_TUNNEL), .type = SCHEMA_WORD,
	  .words = &forwards_from_words, .fallback = "written", .one_of = true,
	  .offset = IN_TUNNEL(forwards_from),
	  .help = "from-ssh-config: also those that ~/.ssh/config has for the host" },
	{ .name = "start", .places = PLACE_BIT(PLACE_TUNNEL), .type = SCHEMA_WORD,
	  .words = &start_words, .fallback = "always", .offset = IN_TUNNEL(start),
	  .help = "when the tunnel comes up: with the daemon, or only when asked for (tunctl up)" },
	{ .name = "tags", .places = PLACE_BIT(PLACE_TUNNEL), .type = SCHEMA_NAMES,
	  .max = 32, .offset = IN_TUNNEL(tags),
	  .help = "words to find the tunnel by" },

	/* a forward as a mapping */
	{ .name = "name", .places = FORWARD, .type = SCHEMA_NAME,
	  .fallback_text = "TYPE:ADDRESS:PORT", .offset = IN_FORWARD(forward.name),
	  .help = "what the forward is called in lists" },
	{ .name = "listen", .places = FORWARD, .type = SCHEMA_LISTEN,
	  .required = true, .offset = 0,
	  .help = "where to listen: [bind:]port, without bind on localhost, with * on every "
		  "address; the port may be a range (8000-8010), or 0 on a server, which then "
		  "chooses; or the path of a Unix socket, on this machine" },
	{ .name = "target", .places = FORWARD, .type = SCHEMA_TARGET, .offset = 0,
	  .help = "where connections lead: host:port or the path of a Unix socket, as the server "
		  "sees it (local) or as this machine does (remote)" },
	{ .name = "allow", .places = FORWARD, .type = SCHEMA_ALLOW, .min = 1, .max = 256,
	  .fallback_text = "everything for dynamic; remote ones without target need it",
	  .offset = IN_FORWARD(forward.allow),
	  .help = "where clients of a proxy may go: HOST:PORT with HOST a name, *.NAME, an address, "
		  "a network (10.0.0.0/8) or *, and PORT a number, a range or *; any is everything" },
	{ .name = "user", .places = FORWARD, .type = SCHEMA_CREDENTIAL,
	  .fallback_text = "nobody is asked", .offset = IN_FORWARD(forward.user),
	  .help = "the name clients of a proxy have to give, with a password" },
	{ .name = "password", .places = FORWARD, .type = SCHEMA_CREDENTIAL,
	  .offset = IN_FORWARD(forward.password),
	  .help = "the password of user; nobody else may be able to read the file it stands in" },
	{ .name = "max_connections", .places = FORWARD, .type = SCHEMA_INTEGER,
	  .fallback_text = "off", .min = 1, .max = 100000, .zero = "off",
	  .offset = IN_FORWARD(forward.max_connections),
	  .help = "how many connections there may be at once; others wait" },
	{ .name = "idle_timeout", .places = FORWARD, .type = SCHEMA_DURATION,
	  .fallback_text = "off", .min = SECOND, .max = 7 * 24 * HOUR, .zero = "off",
	  .offset = IN_FORWARD(forward.idle_timeout_ms),
	  .help = "a connection without a byte either way for so long is ended" },
	{ .name = "mode", .places = FORWARD, .type = SCHEMA_MODE,
	  .fallback_text = "0600", .offset = IN_FORWARD(forward.socket_mode),
	  .help = "permissions of a Unix socket we listen on" },
	{ .name = "group", .places = FORWARD, .type = SCHEMA_NAME,
	  .fallback_text = "the daemon's", .offset = IN_FORWARD(forward.socket_group),
	  .help = "group of a Unix socket we listen on" },
};
/* clang-format on */

const size_t schema_key_count = ARRAY_SIZE(schema_keys);
_Static_assert(ARRAY_SIZE(schema_keys) <= SCHEMA_KEYS_MAX, "one bit a key");

static const char *const place_names[PLACE_COUNT] = {
	[PLACE_TOP] = "",
	[PLACE_DAEMON] = "daemon",
	[PLACE_DEFAULTS] = "defaults",
	[PLACE_HOST] = "hosts.NAME",
	[PLACE_TUNNEL] = "tunnels.NAME",
	[PLACE_FORWARD] = "a forward written as a mapping",
	[PLACE_FORWARDS] = "tunnels.NAME",
	[PLACE_KEEPALIVE] = "keepalive",
	[PLACE_RECONNECT] = "reconnect",
};

/* What people know from elsewhere. Compared without case and separators, so that `IdentityFile`,
 * `identity_file` and `identity-file` are one. Keys that are only spelled differently
 * (ConnectTimeout) need no row: schema_suggest() finds them. */
static const struct {
	const char *word;
	unsigned places;
	const char *write;
} hints[] = {
	{ "identityfile", CONNECTION, "identity" },
	{ "key", CONNECTION, "identity" },
	{ "keyfile", CONNECTION, "identity" },
	{ "privatekey", CONNECTION, "identity" },
	{ "sshkey", CONNECTION, "identity" },
	{ "userknownhostsfile", CONNECTION, "known_hosts" },
	{ "globalknownhostsfile", CONNECTION, "known_hosts" },
	{ "knownhostsfile", CONNECTION, "known_hosts" },
	{ "username", CONNECTION, "user" },
	{ "login", CONNECTION, "user" },
	{ "cipher", CONNECTION, "ciphers" },
	{ "kexalgorithms", CONNECTION, "kex" },
	{ "rekeylimit", CONNECTION, "rekey" },
	{ "proxyjump", CONNECTION, "jump" },
	{ "jumphost", CONNECTION, "jump" },
	{ "bastion", CONNECTION, "jump" },
	{ "stricthostkeychecking", CONNECTION, "host_key: strict, or accept-new" },
	{ "certificate", CONNECTION, "certificate_file" },
	{ "serveraliveinterval", CONNECTION, "keepalive: { interval: 15s }" },
	{ "serveralivecountmax", CONNECTION, "keepalive: { count: 3 }" },
	{ "interval", CONNECTION, "keepalive: { interval: 15s }" },
	{ "count", CONNECTION, "keepalive: { count: 3 }" },
	{ "timeout", CONNECTION, "connect_timeout" },
	{ "backoff", CONNECTION, "reconnect" },
	{ "hostname", PLACE_BIT(PLACE_HOST), "address" },
	{ "host", PLACE_BIT(PLACE_HOST), "address" },
	{ "port", PLACE_BIT(PLACE_HOST), "address: host:port" },
	{ "hostname", PLACE_BIT(PLACE_TUNNEL), "host" },
	{ "address", PLACE_BIT(PLACE_TUNNEL), "host" },
	{ "server", PLACE_BIT(PLACE_TUNNEL), "host" },
	{ "port", PLACE_BIT(PLACE_TUNNEL), "host: [user@]host:port" },
	{ "localforward", FORWARDS, "local" },
	{ "remoteforward", FORWARDS, "remote" },
	{ "reverse", FORWARDS, "remote" },
	{ "dynamicforward", FORWARDS, "dynamic" },
	{ "socks", FORWARDS, "dynamic" },
	{ "forward", FORWARDS, "local, remote or dynamic" },
	{ "gatewayports", CONNECTION, "remote: '*:port:host:hostport'" },
	{ "streamlocalbindmask", CONNECTION, "local: { listen: /path, target: ..., mode: 0660 }" },
	{ "permitremoteopen", CONNECTION, "remote: { listen: port, allow: host:port }" },
	{ "tag", PLACE_BIT(PLACE_TUNNEL), "tags" },
	{ "autostart", PLACE_BIT(PLACE_TUNNEL), "start" },
	{ "host", PLACE_BIT(PLACE_TOP), "hosts" },
	{ "tunnel", PLACE_BIT(PLACE_TOP), "tunnels" },
	{ "default", PLACE_BIT(PLACE_TOP), "defaults" },
	{ "bind", FORWARD, "listen: bind:port" },
	{ "bindaddress", FORWARD, "listen: bind:port" },
	{ "gatewayports", FORWARD, "listen: '*:port'" },
	{ "port", FORWARD, "listen: port" },
	{ "path", FORWARD, "listen: /path" },
	{ "socket", FORWARD, "listen: /path" },
	{ "local", FORWARD, "listen" },
	{ "remote", FORWARD, "target" },
	{ "to", FORWARD, "target" },
	{ "host", FORWARD, "target: host:port" },
	{ "permitremoteopen", FORWARD, "allow" },
	{ "permitopen", FORWARD, "allow" },
	{ "permissions", FORWARD, "mode" },
	{ "streamlocalbindmask", FORWARD, "mode: 0660" },
	{ "username", FORWARD, "user" },
	{ "timeout", FORWARD, "idle_timeout" },
};

/* What there is no key for, and why. */
static const struct {
	const char *word;
	unsigned places;
	const char *why;
} refusals[] = {
	{ "tunnel", CONNECTION | FORWARDS,
	  "tun devices (ssh -w) are not supported; only ports and Unix sockets are forwarded: for a "
	  "whole network use 'dynamic', or a VPN" },
	{ "tunneldevice", CONNECTION | FORWARDS,
	  "tun devices (ssh -w) are not supported; only ports and Unix sockets are forwarded: for a "
	  "whole network use 'dynamic', or a VPN" },
	{ "streamlocalbindunlink", CONNECTION | FORWARD,
	  "leave it out; a socket nobody listens on any more is always replaced" },
};

const struct schema_key *schema_find(enum schema_place place, const char *name)
{
	for (size_t i = 0; i < schema_key_count; i++) {
		if ((schema_keys[i].places & PLACE_BIT(place)) &&
		    strcmp(schema_keys[i].name, name) == 0)
			return &schema_keys[i];
	}
	return NULL;
}

void schema_set_add(struct schema_set *set, size_t index)
{
	set->bits[index / 64] |= UINT64_C(1) << index % 64;
}

bool schema_set_has(const struct schema_set *set, size_t index)
{
	return set->bits[index / 64] >> index % 64 & 1;
}

size_t schema_index(const struct schema_key *key)
{
	return (size_t)(key - schema_keys);
}

const char *schema_place_name(enum schema_place place)
{
	return place_names[place];
}

/* Whether word is name, were it written in lower case and without separators. */
static bool is_spelling_of(const char *name, const char *word)
{
	for (; *name; name++) {
		if (*name == '_' || *name == '-')
			continue;
		if (tolower((unsigned char)*name) != *word)
			return false;
		word++;
	}
	return *word == '\0';
}

const char *schema_hint(enum schema_place place, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		if ((hints[i].places & PLACE_BIT(place)) && is_spelling_of(name, hints[i].word))
			return hints[i].write;
	}
	return NULL;
}

const char *schema_refusal(enum schema_place place, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if ((refusals[i].places & PLACE_BIT(place)) &&
		    is_spelling_of(name, refusals[i].word))
			return refusals[i].why;
	}
	return NULL;
}

const char *schema_suggest(enum schema_place place, const char *name)
{
	const char *names[SCHEMA_KEYS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < schema_key_count; i++) {
		if (schema_keys[i].places & PLACE_BIT(place))
			names[count++] = schema_keys[i].name;
	}
	return str_suggest(name, names, count);
}

char *schema_list(enum schema_place place, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < schema_key_count; i++) {
		if ((schema_keys[i].places & PLACE_BIT(place)) && used < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 schema_keys[i].name);
	}
	return out;
}

char *schema_range(const struct schema_key *key, char *out, size_t size)
{
	char min[DURATION_TEXT_MAX], max[DURATION_TEXT_MAX];

	if (key->type == SCHEMA_DURATION) {
		duration_format(min, key->min);
		duration_format(max, key->max);
	} else {
		snprintf(min, sizeof(min), "%u", key->min);
		snprintf(max, sizeof(max), "%u", key->max);
	}
	snprintf(out, size, "from %s to %s%s%s", min, max, key->zero ? ", or " : "",
		 key->zero ? key->zero : "");
	return out;
}

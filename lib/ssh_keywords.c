/* SPDX-License-Identifier: MIT */
#include "lib/ssh_keywords.h"

#include <string.h>
#include <strings.h>

#include "lib/ssh_values.h"
#include "lib/util.h"

#define NO_COMMAND "no command runs on the server"
#define OWN_LOGIN "which ways to log in are tried follows from identity and password"

/* clang-format off */
const struct ssh_keyword ssh_keywords[] = {
	/* where and who */
	{ "HostName", SSH_BECOMES, "address", ssh_text, NULL },
	{ "Port", SSH_BECOMES, "address", ssh_text, NULL },
	{ "User", SSH_BECOMES, "user", ssh_text, NULL },
	{ "IdentityFile", SSH_BECOMES, "identity", ssh_identity, NULL },
	{ "IdentitiesOnly", SSH_BECOMES, "identities_only", ssh_boolean, NULL },
	{ "CertificateFile", SSH_BECOMES, "certificate_file", ssh_file, NULL },
	{ "IdentityAgent", SSH_BECOMES, "identity_agent", ssh_agent, NULL },
	/* the way there */
	{ "ProxyJump", SSH_BECOMES, "jump", ssh_jump, NULL },
	{ "ProxyCommand", SSH_BECOMES, "proxy_command", ssh_command, NULL },
	{ "BindAddress", SSH_BECOMES, "bind_address", ssh_text, NULL },
	{ "AddressFamily", SSH_BECOMES, "address_family", ssh_text, NULL },
	{ "TCPKeepAlive", SSH_BECOMES, "tcp_keepalive", ssh_boolean, NULL },
	{ "IPQoS", SSH_BECOMES, "ip_qos", ssh_text, NULL },
	{ "ConnectTimeout", SSH_BECOMES, "connect_timeout", ssh_seconds, NULL },
	/* who the server is */
	{ "HostKeyAlias", SSH_BECOMES, "host_key_alias", ssh_text, NULL },
	{ "UserKnownHostsFile", SSH_BECOMES, "known_hosts", ssh_files, NULL },
	{ "GlobalKnownHostsFile", SSH_BECOMES, "known_hosts", ssh_literal_files, NULL },
	{ "StrictHostKeyChecking", SSH_BECOMES, "host_key", ssh_host_key, NULL },
	/* how to talk */
	{ "Ciphers", SSH_BECOMES, "ciphers", ssh_algorithms, NULL },
	{ "KexAlgorithms", SSH_BECOMES, "kex", ssh_algorithms, NULL },
	{ "MACs", SSH_BECOMES, "macs", ssh_algorithms, NULL },
	{ "HostKeyAlgorithms", SSH_BECOMES, "host_key_algorithms", ssh_algorithms, NULL },
	{ "Compression", SSH_BECOMES, "compression", ssh_boolean, NULL },
	{ "RekeyLimit", SSH_BECOMES, "rekey", ssh_rekey, NULL },
	{ "ServerAliveInterval", SSH_BECOMES, "keepalive.interval", ssh_seconds, NULL },
	{ "ServerAliveCountMax", SSH_BECOMES, "keepalive.count", ssh_text, NULL },
	{ "ExitOnForwardFailure", SSH_BECOMES, "exit_on_forward_failure", ssh_boolean, NULL },
	/* what it is for */
	{ "LocalForward", SSH_BECOMES, "local", ssh_local_forward, NULL },
	{ "RemoteForward", SSH_BECOMES, "remote", ssh_remote_forward, NULL },
	{ "DynamicForward", SSH_BECOMES, "dynamic", ssh_dynamic_forward, NULL },

	{ "Host", SSH_READ_OVER, NULL, NULL, NULL },
	{ "AddKeysToAgent", SSH_READ_OVER, NULL, NULL, NULL },
	{ "BatchMode", SSH_READ_OVER, NULL, NULL, NULL },
	{ "CanonicalDomains", SSH_READ_OVER, NULL, NULL, NULL },
	{ "CanonicalizeFallbackLocal", SSH_READ_OVER, NULL, NULL, NULL },
	{ "CanonicalizeHostname", SSH_READ_OVER, NULL, NULL, NULL },
	{ "CanonicalizeMaxDots", SSH_READ_OVER, NULL, NULL, NULL },
	{ "CanonicalizePermittedCNAMEs", SSH_READ_OVER, NULL, NULL, NULL },
	{ "CheckHostIP", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ClearAllForwardings", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ConnectionAttempts", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ControlMaster", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ControlPath", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ControlPersist", SSH_READ_OVER, NULL, NULL, NULL },
	{ "EnableEscapeCommandline", SSH_READ_OVER, NULL, NULL, NULL },
	{ "EscapeChar", SSH_READ_OVER, NULL, NULL, NULL },
	{ "FingerprintHash", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ForkAfterAuthentication", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ForwardX11Timeout", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ForwardX11Trusted", SSH_READ_OVER, NULL, NULL, NULL },
	{ "HashKnownHosts", SSH_READ_OVER, NULL, NULL, NULL },
	{ "IgnoreUnknown", SSH_READ_OVER, NULL, NULL, NULL },
	{ "LogLevel", SSH_READ_OVER, NULL, NULL, NULL },
	{ "LogVerbose", SSH_READ_OVER, NULL, NULL, NULL },
	{ "NumberOfPasswordPrompts", SSH_READ_OVER, NULL, NULL, NULL },
	{ "ObscureKeystrokeTiming", SSH_READ_OVER, NULL, NULL, NULL },
	{ "PermitRemoteOpen", SSH_READ_OVER, NULL, NULL, NULL },
	{ "SessionType", SSH_READ_OVER, NULL, NULL, NULL },
	{ "StdinNull", SSH_READ_OVER, NULL, NULL, NULL },
	{ "StreamLocalBindUnlink", SSH_READ_OVER, NULL, NULL, NULL },
	{ "SyslogFacility", SSH_READ_OVER, NULL, NULL, NULL },
	{ "Tag", SSH_READ_OVER, NULL, NULL, NULL },
	{ "UpdateHostKeys", SSH_READ_OVER, NULL, NULL, NULL },
	{ "VersionAddendum", SSH_READ_OVER, NULL, NULL, NULL },
	{ "VisualHostKey", SSH_READ_OVER, NULL, NULL, NULL },
	{ "XAuthLocation", SSH_READ_OVER, NULL, NULL, NULL },

	{ "BindInterface", SSH_NOTED, NULL, NULL, "write the address of the interface: bind_address" },
	{ "CASignatureAlgorithms", SSH_NOTED, NULL, NULL, "there is no such choice here" },
	{ "ChannelTimeout", SSH_NOTED, NULL, NULL,
	  "write idle_timeout into the forward" },
	{ "ForwardAgent", SSH_NOTED, NULL, NULL, NO_COMMAND " that could use the agent" },
	{ "ForwardX11", SSH_NOTED, NULL, NULL, NO_COMMAND " that could open a window" },
	{ "GSSAPIAuthentication", SSH_NOTED, NULL, NULL, "GSSAPI is not supported; name a key" },
	{ "GSSAPIClientIdentity", SSH_NOTED, NULL, NULL, "GSSAPI is not supported; name a key" },
	{ "GSSAPIDelegateCredentials", SSH_NOTED, NULL, NULL, "GSSAPI is not supported" },
	{ "GSSAPIKexAlgorithms", SSH_NOTED, NULL, NULL, "GSSAPI is not supported" },
	{ "GSSAPIKeyExchange", SSH_NOTED, NULL, NULL, "GSSAPI is not supported" },
	{ "GSSAPIRenewalForcesRekey", SSH_NOTED, NULL, NULL, "GSSAPI is not supported" },
	{ "GSSAPIServerIdentity", SSH_NOTED, NULL, NULL, "GSSAPI is not supported" },
	{ "GSSAPITrustDns", SSH_NOTED, NULL, NULL, "GSSAPI is not supported" },
	{ "GatewayPorts", SSH_NOTED, NULL, NULL,
	  "the address belongs to the forward; write '*:PORT:HOST:PORT'" },
	{ "HostbasedAcceptedAlgorithms", SSH_NOTED, NULL, NULL,
	  "host-based authentication is not supported" },
	{ "HostbasedAuthentication", SSH_NOTED, NULL, NULL,
	  "host-based authentication is not supported; name a key" },
	{ "KbdInteractiveAuthentication", SSH_NOTED, NULL, NULL, OWN_LOGIN },
	{ "KbdInteractiveDevices", SSH_NOTED, NULL, NULL, OWN_LOGIN },
	{ "KnownHostsCommand", SSH_NOTED, NULL, NULL,
	  "host keys come from known_hosts files and from host_key" },
	{ "LocalCommand", SSH_NOTED, NULL, NULL, "no command is run when a tunnel comes up" },
	{ "NoHostAuthenticationForLocalhost", SSH_NOTED, NULL, NULL,
	  "tunneld always checks host keys; add the server's key to a known_hosts file" },
	{ "PKCS11Provider", SSH_NOTED, NULL, NULL, "load it into the agent (ssh-add -s)" },
	{ "PasswordAuthentication", SSH_NOTED, NULL, NULL, OWN_LOGIN },
	{ "PermitLocalCommand", SSH_NOTED, NULL, NULL, "no command is run when a tunnel comes up" },
	{ "PreferredAuthentications", SSH_NOTED, NULL, NULL, OWN_LOGIN },
	{ "ProxyUseFdpass", SSH_NOTED, NULL, NULL,
	  "standard input and output of the command are the connection" },
	{ "PubkeyAcceptedAlgorithms", SSH_NOTED, NULL, NULL, "there is no such choice here" },
	{ "PubkeyAuthentication", SSH_NOTED, NULL, NULL, OWN_LOGIN },
	{ "RemoteCommand", SSH_NOTED, NULL, NULL, NO_COMMAND },
	{ "RequestTTY", SSH_NOTED, NULL, NULL, NO_COMMAND " that could use a terminal" },
	{ "RequiredRSASize", SSH_NOTED, NULL, NULL, "there is no such choice here" },
	{ "RevokedHostKeys", SSH_NOTED, NULL, NULL,
	  "it is not read; mark the keys with @revoked in a known_hosts file" },
	{ "SecurityKeyProvider", SSH_NOTED, NULL, NULL, "hardware keys are used through the agent" },
	{ "SendEnv", SSH_NOTED, NULL, NULL, NO_COMMAND " that could read the environment" },
	{ "SetEnv", SSH_NOTED, NULL, NULL, NO_COMMAND " that could read the environment" },
	{ "StreamLocalBindMask", SSH_NOTED, NULL, NULL,
	  "permissions belong to the forward: { listen: /path, target: ..., mode: 0660 }" },
	{ "Tunnel", SSH_NOTED, NULL, NULL,
	  "tunneld makes no network interfaces; forward ports with -L, -R or -D" },
	{ "TunnelDevice", SSH_NOTED, NULL, NULL, "tunneld makes no network interfaces" },
	{ "VerifyHostKeyDNS", SSH_NOTED, NULL, NULL,
	  "host keys come from known_hosts files and from host_key" },
};
/* clang-format on */

const size_t ssh_keyword_count = ARRAY_SIZE(ssh_keywords);

const struct ssh_keyword *ssh_keyword_find(const char *name)
{
	for (size_t i = 0; i < ssh_keyword_count; i++) {
		if (strcasecmp(ssh_keywords[i].name, name) == 0)
			return &ssh_keywords[i];
	}
	return NULL;
}

bool ssh_value_is_off(const char *value)
{
	static const char *const words[] = { "no", "false", "none", "off", "0", "" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(value, words[i]) == 0)
			return true;
	}
	return false;
}

int ssh_translate(const struct ssh_keyword *keyword, const char *value,
		  const struct ssh_names *names, const struct ssh_sink *sink)
{
	const struct ssh_translation t = { keyword, names, sink };

	switch (keyword->fate) {
	case SSH_BECOMES:
		return keyword->translate(&t, value);
	case SSH_NOTED:
		return ssh_note(&t, value, "%s", keyword->why);
	default:
		return 0;
	}
}

/* ---- what ssh -G prints ---- */

struct outputs {
	const struct ssh_output *said, *unset, *usual;
	const struct ssh_names *names;
	const struct ssh_sink *sink;
};

/* Keywords that become one key go together: the list of one is nothing without the other's. */
static bool is_set(const struct outputs *o, const struct ssh_keyword *keyword)
{
	bool is_set = false;

	for (size_t i = 0; i < ssh_keyword_count; i++) {
		const struct ssh_keyword *k = &ssh_keywords[i];

		if (k == keyword || (k->key && streq(k->key, keyword->key)))
			is_set |= !ssh_output_agree(o->said, o->unset, k->name);
	}
	return is_set;
}

/* OpenSSH 9.2 prints a local forward that leads to a socket as a dynamic one as well. */
static bool is_echo(const struct outputs *o, const struct ssh_keyword *keyword, const char *value)
{
	size_t at = 0, length = strlen(value);
	const char *local;

	if (strcmp(keyword->name, "DynamicForward") != 0)
		return false;
	while ((local = ssh_output_next(o->said, "localforward", &at))) {
		if (strncmp(local, value, length) == 0 && local[length] == ' ' &&
		    local[length + 1] == '/')
			return true;
	}
	return false;
}

static int translate_one(const struct outputs *o, const struct ssh_keyword *keyword)
{
	const char *value;
	size_t at = 0;

	if (keyword->fate == SSH_READ_OVER || strcmp(keyword->name, "HostName") == 0 ||
	    strcmp(keyword->name, "Port") == 0 || strcmp(keyword->name, "User") == 0 ||
	    !is_set(o, keyword))
		return 0;
	if (keyword->fate == SSH_NOTED && o->usual &&
	    ssh_output_agree(o->said, o->usual, keyword->name))
		return 0;
	while ((value = ssh_output_next(o->said, keyword->name, &at))) {
		if (is_echo(o, keyword, value))
			continue;
		if (ssh_translate(keyword, value, o->names, o->sink) < 0)
			return -1;
	}
	return 0;
}

/* What ssh offers behind the files that are named: all its agent has, unless IdentitiesOnly. */
static int add_agent(const struct outputs *o)
{
	const struct ssh_keyword *identity = ssh_keyword_find("IdentityFile");
	const char *only = ssh_output_find(o->said, "identitiesonly"), *file;
	size_t at = 0;

	if (!is_set(o, identity) || (only && !ssh_value_is_off(only)))
		return 0;
	while ((file = ssh_output_next(o->said, identity->name, &at))) {
		if (strcasecmp(file, "none") == 0)
			return 0; /* the agent stands there already */
	}
	return o->sink->put(o->sink->data, identity->key, json_string("agent"));
}

/* What a newer OpenSSH knows. */
static int note_unknown(const struct outputs *o)
{
	for (size_t i = 0; i < o->said->count; i++) {
		const struct ssh_line *line = &o->said->lines[i];
		const struct ssh_keyword unknown = { .name = line->keyword };
		const struct ssh_translation t = { &unknown, o->names, o->sink };

		if (ssh_keyword_find(line->keyword) ||
		    ssh_output_agree(o->said, o->unset, line->keyword) ||
		    (o->usual && ssh_output_agree(o->said, o->usual, line->keyword)))
			continue;
		if (ssh_note(&t, line->value, "this version of tunneld does not know it") < 0)
			return -1;
	}
	return 0;
}

int ssh_translate_output(const struct ssh_output *said, const struct ssh_output *unset,
			 const struct ssh_output *usual, const struct ssh_names *names,
			 const struct ssh_sink *sink)
{
	const struct outputs o = { said, unset, usual, names, sink };

	for (size_t i = 0; i < ssh_keyword_count; i++) {
		if (translate_one(&o, &ssh_keywords[i]) < 0)
			return -1;
	}
	if (add_agent(&o) < 0)
		return -1;
	return note_unknown(&o);
}

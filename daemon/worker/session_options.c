/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_options.h"

#include <string.h>

#include "lib/str.h"

int session_set_option(ssh_session ssh, enum ssh_options_e option, const char *text,
		       const char *what, struct err *err)
{
	char shown[256];

	if (ssh_options_set(ssh, option, text) == SSH_OK)
		return 0;
	str_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(err, ERR_CONFIG, "libssh %s does not accept %s '%s'", ssh_version(0), what,
		       shown);
}

int session_set_target(ssh_session ssh, const struct connection_settings *c, struct err *err)
{
	int no = 0, port = (int)c->port;

	/* Otherwise ssh_connect() reads ~/.ssh/config and may run commands from it. */
	ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &no);
	ssh_options_set(ssh, SSH_OPTIONS_SSH_DIR, "/nonexistent");
	ssh_options_set(ssh, SSH_OPTIONS_KNOWNHOSTS, "/dev/null"); /* hostkey.c decides */
	ssh_options_set(ssh, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
	ssh_options_set(ssh, SSH_OPTIONS_PORT, &port);
	if (session_set_option(ssh, SSH_OPTIONS_HOST, connection_known_name(c), "host", err) < 0)
		return -1;
	return session_set_option(ssh, SSH_OPTIONS_USER, c->user, "user", err);
}

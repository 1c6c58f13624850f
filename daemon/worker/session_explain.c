/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_explain.h"

#include <string.h>

#include "lib/str.h"

#define WINDOW_EXCEEDED "Window exceeded" /* channel_rcv_data() of libssh */
#define TOO_MANY_KEYS "Too many authentication failures" /* auth_maxtries_exceeded() of sshd */

/* "Received SSH_MSG_DISCONNECT: 2:Too many authentication failures" */
static bool explain_disconnect(const char *text, struct err *err)
{
	const char *reason = strstr(text, "SSH_MSG_DISCONNECT: ");
	char shown[256];

	if (!reason)
		return false;
	reason += strlen("SSH_MSG_DISCONNECT: ");
	reason += strspn(reason, "0123456789:");
	str_escape(shown, sizeof(shown), reason, strlen(reason));
	if (strcmp(reason, TOO_MANY_KEYS) == 0)
		err_set(err, ERR_AUTH,
			"the server ended the session after too many keys it does not accept "
			"(MaxAuthTries); name the right one with 'identity'");
	else
		err_set(err, ERR_LOST, "the server ended the session: %s", shown);
	return true;
}

/* What session_requests.c leaves behind on purpose says as much as nothing. */
bool session_says_nothing(ssh_session ssh)
{
	const char *text = ssh_get_error(ssh);

	return text[0] == '\0' || strstr(text, "ssh_options_set") || strstr(text, "Socket error") ||
	       strstr(text, "Remote host closed");
}

bool session_has_lost_data(ssh_session ssh)
{
	return strcmp(ssh_get_error(ssh), WINDOW_EXCEEDED) == 0;
}

int session_explain(ssh_session ssh, const char *what, struct err *err)
{
	const char *text = ssh_get_error(ssh);
	char shown[512];

	if (explain_disconnect(text, err))
		return -1;
	if (session_has_lost_data(ssh))
		return err_set(
			err, ERR_PROTOCOL,
			"the server sends more than there is room for, and than it was told");
	str_escape(shown, sizeof(shown), text, strlen(text));
	if (strstr(text, "no match for method"))
		return err_set(err, ERR_NO_COMMON_ALGORITHM,
			       "no algorithm in common with the server; update it, or look at "
			       "'ciphers', 'kex', 'macs' and 'host_key_algorithms' here: %s",
			       shown);
	if (strstr(text, "hostkey signature"))
		return err_set(err, ERR_PROTOCOL,
			       "the server did not prove that it holds its host key (wrong "
			       "signature); somebody may stand in between");
	if (session_says_nothing(ssh))
		return err_set(err, ERR_LOST, "the server closed the connection during %s", what);
	return err_set(err, ERR_PROTOCOL, "%s: %s", what, shown);
}

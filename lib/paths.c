/* SPDX-License-Identifier: MIT */
#include "lib/paths.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/connection.h"
#include "lib/str.h"
#include "lib/util.h"

#define PASSWD_BUFFER_MAX (64 * 1024)

/* The value of an environment variable that holds an absolute path, else NULL. */
static const char *env_path(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

/* Who we are when the password database knows nothing of us (containers with a made-up uid). */
static int who_without_entry(struct paths *p)
{
	const char *home = env_path("HOME");
	const char *user = getenv("LOGNAME");

	p->home = strdup(home ? home : "/");
	p->user = user && *user ? strdup(user) : str_printf("%u", (unsigned)getuid());
	return p->home && p->user ? 0 : -1;
}

static int who(struct paths *p)
{
	const char *home = env_path("HOME");
	CLEANUP(freep) char *buffer = malloc(PASSWD_BUFFER_MAX);
	struct passwd entry, *found = NULL;

	if (!buffer)
		return -1;
	if (getpwuid_r(getuid(), &entry, buffer, PASSWD_BUFFER_MAX, &found) != 0 || !found)
		return who_without_entry(p);
	p->home = strdup(home ? home : entry.pw_dir);
	p->user = strdup(entry.pw_name);
	return p->home && p->user ? 0 : -1;
}

/* $VARIABLE/tunneld/FILE, or ~/FALLBACK/tunneld/FILE; without a file the directory. */
static char *xdg_path(const struct paths *p, const char *variable, const char *fallback,
		      const char *file)
{
	const char *base = env_path(variable);
	const char *slash = *file ? "/" : "";

	if (base)
		return str_printf("%s/tunneld%s%s", base, slash, file);
	return str_printf("%s/%s/tunneld%s%s", p->home, fallback, slash, file);
}

/* cron and plain su leave XDG_RUNTIME_DIR unset though the directory is there. */
static char *user_socket(const struct paths *p)
{
	CLEANUP(freep) char *run = str_printf("/run/user/%u", (unsigned)getuid());

	if (!run)
		return NULL;
	if (!env_path("XDG_RUNTIME_DIR") && access(run, X_OK) == 0)
		return str_printf("%s/tunneld/control.sock", run);
	return xdg_path(p, "XDG_RUNTIME_DIR", ".local/state", "control.sock");
}

static void system_places(struct paths *p)
{
	p->config = strdup("/etc/tunneld/tunneld.yaml");
	p->socket = strdup("/run/tunneld/control.sock");
	p->state_dir = strdup("/var/lib/tunneld");
}

static void user_places(struct paths *p)
{
	p->config = xdg_path(p, "XDG_CONFIG_HOME", ".config", "tunneld.yaml");
	p->socket = user_socket(p);
	p->state_dir = xdg_path(p, "XDG_STATE_HOME", ".local/state", "");
}

int paths_init(struct paths *ret, bool system, struct err *err)
{
	struct paths p = { 0 };

	if (who(&p) == 0) {
		if (system)
			system_places(&p);
		else
			user_places(&p);
	}
	if (!p.config || !p.socket || !p.state_dir) {
		paths_fini(&p);
		return err_nomem(err);
	}
	*ret = p;
	return 0;
}

void paths_fini(struct paths *paths)
{
	free(paths->config);
	free(paths->socket);
	free(paths->state_dir);
	free(paths->home);
	free(paths->user);
	*paths = (struct paths){ 0 };
}

char *paths_credential(const char *name, struct err *err)
{
	const char *directory = env_path("CREDENTIALS_DIRECTORY");
	const char *credential = NULL;
	char *path;

	if (strncmp(name, CREDENTIAL_PREFIX, strlen(CREDENTIAL_PREFIX)) == 0)
		credential = name + strlen(CREDENTIAL_PREFIX);
	if (credential && (!*credential || strchr(credential, '/') || credential[0] == '.')) {
		err_set(err, ERR_CREDENTIAL, "'%s': a credential is named without '/'", name);
		return NULL;
	}
	if (credential && !directory) {
		err_set(err, ERR_CREDENTIAL,
			"there is no %s: tunneld was given no credentials; put "
			"LoadCredential=%s:/path into its unit",
			name, credential);
		return NULL;
	}
	path = credential ? str_printf("%s/%s", directory, credential) : strdup(name);
	if (!path)
		err_nomem(err);
	return path;
}

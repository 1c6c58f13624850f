/* SPDX-License-Identifier: MIT */
/*
 * The part that a program needs which only frees configurations: it knows no decoder.
 */
#include "lib/config_ssh.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/util.h"

#define SYSTEM_FILE "/etc/ssh/ssh_config"

struct config_ssh *config_ssh_new(const struct config_context *context, const char *wanted)
{
	const struct schema_key *key = schema_find(PLACE_TOP, "ssh_config");
	struct config_ssh *ssh = calloc(1, sizeof(*ssh));
	bool good = ssh != NULL;

	if (!wanted)
		wanted = context->system ? key->system_fallback : key->fallback;
	if (good && *wanted == '/')
		good = (ssh->file = strdup(wanted)) != NULL;
	if (good && context->home)
		good = (ssh->home = strdup(context->home)) != NULL;
	if (good && context->user)
		good = (ssh->user = strdup(context->user)) != NULL;
	if (!good) {
		config_ssh_free(ssh);
		return NULL;
	}
	ssh->is_on = context->capture && strcmp(wanted, "no") != 0;
	ssh_ask_init(&ssh->ask, context->capture, ssh->file, ssh->home, ssh->user);
	ssh->ask.limits.has_leash = context->has_leash;
	ssh->ask.limits.leash_fd = context->leash_fd;
	return ssh;
}

void ssh_host_free(struct ssh_host *host)
{
	config_layer_fini(&host->host.layer);
	free(host->host.name);
	free(host->question);
	json_decref(host->forwards);
	strv_fini(&host->notes);
	free(host->mistake.file);
	free(host->mistake.message);
	free(host);
}

void config_ssh_free(struct config_ssh *ssh)
{
	if (!ssh)
		return;
	for (size_t i = 0; i < ssh->host_count; i++)
		ssh_host_free(ssh->hosts[i]);
	free(ssh->hosts);
	strv_fini(&ssh->notes);
	ssh_ask_fini(&ssh->ask);
	free(ssh->file);
	free(ssh->home);
	free(ssh->user);
	free(ssh);
}

struct strv config_ssh_take_notes(struct config_ssh *ssh)
{
	struct strv notes = ssh->notes;

	ssh->notes = (struct strv){ 0 };
	return notes;
}

const char *config_ssh_unread(const struct config_ssh *ssh)
{
	CLEANUP(freep) char *own = NULL;

	if (!ssh->ask.is_missing)
		return NULL;
	if (ssh->file)
		return ssh->file;
	own = ssh->home ? str_printf("%s/.ssh/config", ssh->home) : NULL;
	if (own && access(own, F_OK) == 0)
		return "~/.ssh/config";
	return access(SYSTEM_FILE, F_OK) == 0 ? SYSTEM_FILE : NULL;
}

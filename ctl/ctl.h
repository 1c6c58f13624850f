/* SPDX-License-Identifier: MIT */
/*
 * What every verb of tunctl gets: the parsed command line, what is known about the terminal, and
 * the connection to the daemon. The verb table (verbs.c) is where verbs, their usage and their
 * options are written once; completions and the man page are checked against it.
 */
#pragma once

#include "ctl/client.h"
#include "ctl/failure.h"
#include "ctl/options.h"
#include "ctl/term.h"

struct ctl {
	struct args args;
	struct client client; /* open only for verbs that asked for it */
	struct term out; /* standard output */
	bool json;
	bool narrate; /* standard error is a terminal: tell what happens while waiting */
};

struct verb {
	const char *name;
	const char *synopsis; /* operands and options as usage shows them */
	const char *help; /* one line */
	const char *example; /* NULL: none */
	unsigned options; /* OPTION_BIT()s beyond the global ones */
	bool ssh_letters; /* what ssh's other letters mean is in ssh_letters[] */
	bool command; /* from the first operand on all words are operands */
	unsigned min_operands, max_operands;
	/* An exit code, or -1 with f filled. */
	int (*run)(struct ctl *ctl, struct failure *f);
};

#define OPERANDS_ANY 65536

extern const struct verb verbs[];
extern const size_t verb_count;

/* NULL with f filled when there is no such verb. */
const struct verb *verb_find(const char *name, struct failure *f);
void verbs_usage(FILE *to);
void verb_usage(FILE *to, const struct verb *verb);

int run_list(struct ctl *ctl, struct failure *f);
int run_inspect(struct ctl *ctl, struct failure *f);
int inspect_daemon(struct ctl *ctl, struct failure *f); /* inspect --daemon */
int run_up(struct ctl *ctl, struct failure *f);
int run_down(struct ctl *ctl, struct failure *f);
int run_restart(struct ctl *ctl, struct failure *f);
int run_add(struct ctl *ctl, struct failure *f);
int run_forward(struct ctl *ctl, struct failure *f);
int run_import(struct ctl *ctl, struct failure *f);
int run_drop(struct ctl *ctl, struct failure *f);
int run_connections(struct ctl *ctl, struct failure *f);
int run_kill(struct ctl *ctl, struct failure *f);
int run_hostkey(struct ctl *ctl, struct failure *f);
int run_nc(struct ctl *ctl, struct failure *f);
int run_auth(struct ctl *ctl, struct failure *f);
int run_reload(struct ctl *ctl, struct failure *f);
int run_version(struct ctl *ctl, struct failure *f);

#define MANAGER_METHOD(name) "io.tunneld.Manager." name

/* The client, connected now if it was not. NULL with f filled. */
struct client *ctl_client(struct ctl *ctl, struct failure *f);

/* client_send() and client_receive(), connecting first; what comes back is safe to print unless
 * --json was asked for. */
int ctl_send(struct ctl *ctl, const char *method, json_t *parameters, bool more, struct failure *f);
int ctl_receive(struct ctl *ctl, uint64_t deadline_ms, json_t **ret, bool *ret_continues,
		struct failure *f);

/* A call with a single answer: its parameters, a new reference. Takes the reference to parameters.
 * NULL with f filled. */
json_t *ctl_call(struct ctl *ctl, const char *method, json_t *parameters, struct failure *f);

/* The same for methods that answer with a list under key ("tunnels"), with more in several replies:
 * the items of all of them, an array. */
json_t *ctl_call_items(struct ctl *ctl, const char *method, json_t *parameters, const char *key,
		       bool more, struct failure *f);

/* For methods that take `names`, and all tunnels when there are none: {} or {"names": operands}.
 * NULL with f filled. */
json_t *ctl_wanted(const struct ctl *ctl, struct failure *f);

/* After a failure: says all the names that no tunnel has, when there are several. */
void ctl_name_unknown(struct ctl *ctl, struct failure *f);

/* The operands as a JSON array, the empty one for --all. NULL: out of memory, f filled. */
json_t *ctl_names(const struct ctl *ctl, struct failure *f);

/* Prints a value the way --json wants it. */
void ctl_print_json(const struct ctl *ctl, const json_t *value);

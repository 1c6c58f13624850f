/* SPDX-License-Identifier: MIT */
/*
 * What can be asked over the control socket: one table of methods with the right each needs, its
 * parameters and its handler. The handlers stand in command_*.c, a family each.
 */
#pragma once

#include "daemon/supervisor/client.h"
#include "daemon/supervisor/supervisor.h"

#define MANAGER "io.tunneld.Manager"
#define SERVICE "org.varlink.service"

/* A client_dispatch_fn; data is the supervisor. */
void commands_dispatch(void *data, struct call *call);

/* The first parameter that is unknown, missing or of the wrong kind; NULL: all are right, or there
 * is no such method. For tests. */
const char *commands_check_parameters(const char *method, json_t *parameters);

/* ---- for the handlers ---- */

/* The Varlink error that fits err; name: of the tunnel it is about, or NULL. It is said where the
 * error has a place for it. */
const char *commands_error_name(enum err_code code);
json_t *commands_error_parameters(const struct err *err, const char *name);
int commands_no_such_tunnel(struct err *err, const char *name); /* -1 */
void commands_fail(struct call *call, const struct err *err, const char *name);
json_t *commands_problems(const struct config_problems *problems); /* of InvalidConfig */

/* The tunnel that "name" names; NULL: the call was answered with an error. */
struct tunnel *commands_named_tunnel(struct supervisor *s, struct call *call);
void commands_sort_by_name(struct tunnel **tunnels, size_t count);

/* An array of snapshots; NULL without memory. */
json_t *commands_snapshots(struct tunnel *const *tunnels, size_t count);

/* Answers with these tunnels, a few a turn; sorts the array. */
void commands_reply_list(struct supervisor *s, struct call *call, struct tunnel **tunnels,
			 size_t count);

/* The tunnels that "names" names, each once, in an array the caller frees; without names (or, if
 * empty_is_all, with none) all of them. NULL: the call was answered with an error. */
struct tunnel **commands_named_tunnels(struct supervisor *s, struct call *call, bool empty_is_all,
				       size_t *ret_count);

void command_list(struct supervisor *s, struct call *call);
void command_inspect(struct supervisor *s, struct call *call);
void command_status(struct supervisor *s, struct call *call);
void command_up(struct supervisor *s, struct call *call);
void command_down(struct supervisor *s, struct call *call);
void command_restart(struct supervisor *s, struct call *call);
void command_add(struct supervisor *s, struct call *call);
void command_drop(struct supervisor *s, struct call *call);
void command_reload(struct supervisor *s, struct call *call);
void command_forward_add(struct supervisor *s, struct call *call);
void command_forward_drop(struct supervisor *s, struct call *call);
void command_connections(struct supervisor *s, struct call *call);
void command_kill(struct supervisor *s, struct call *call);
void command_connect(struct supervisor *s, struct call *call);
void command_auth(struct supervisor *s, struct call *call);
void command_answer(struct supervisor *s, struct call *call);
void command_forget(struct supervisor *s, struct call *call);
void command_host_keys(struct supervisor *s, struct call *call);
void command_host_key_accept(struct supervisor *s, struct call *call);
void command_get_info(struct supervisor *s, struct call *call);
void command_get_interface(struct supervisor *s, struct call *call);

/* "3-217" is one; false: it is none. For command_kill(). */
bool command_parse_connection(const char *text, uint64_t *ret);

/* The interfaces that command_get_interface() can describe. */
bool command_is_interface(const char *name, size_t length);

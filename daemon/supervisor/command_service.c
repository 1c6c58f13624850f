/* SPDX-License-Identifier: MIT */
/*
 * The methods every Varlink service has: what it is, and the text of its interfaces. Ours is
 * docs/io.tunneld.Manager.varlink itself, put into the program when it is built.
 */
#include <string.h>

#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/interface.h"
#include "lib/util.h"

/* varlink.org, "Service Interface". */
static const char service_description[] =
	"# The Varlink Service Interface is provided by every varlink service. It\n"
	"# describes the service and the interfaces it implements.\n"
	"interface org.varlink.service\n\n"
	"# Get a list of all the interfaces a service provides and information\n"
	"# about the implementation.\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n\n"
	"# Get the description of an interface that is implemented by this service.\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"# The requested interface was not found.\n"
	"error InterfaceNotFound (interface: string)\n\n"
	"# The requested method was not found\n"
	"error MethodNotFound (method: string)\n\n"
	"# The interface defines the requested method, but the service does not\n"
	"# implement it.\n"
	"error MethodNotImplemented (method: string)\n\n"
	"# One of the passed parameters is invalid.\n"
	"error InvalidParameter (parameter: string)\n\n"
	"# Client is denied access\n"
	"error PermissionDenied ()\n\n"
	"# Method is expected to be called with 'more' set to true, but wasn't\n"
	"error ExpectedMore ()\n";

static const struct {
	const char *name, *description;
} interfaces[] = {
	{ SERVICE, service_description },
	{ MANAGER, interface_description },
};

bool command_is_interface(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++) {
		if (strlen(interfaces[i].name) == length &&
		    strncmp(interfaces[i].name, name, length) == 0)
			return true;
	}
	return false;
}

void command_get_info(struct supervisor *s, struct call *call)
{
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		json_array_append_new(names, json_string(interfaces[i].name));
	call_reply(call,
		   json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "tunneld", "product", "tunneld",
			     "version", TUNNELD_VERSION, "url", "", "interfaces", names));
}

void command_get_interface(struct supervisor *s, struct call *call)
{
	const char *name =
		json_string_value(json_object_get(call->request.parameters, "interface"));

	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++) {
		if (strcmp(interfaces[i].name, name) != 0)
			continue;
		call_reply(call, json_pack("{s:s}", "description", interfaces[i].description));
		return;
	}
	call_error(call, VARLINK_INTERFACE_NOT_FOUND, json_pack("{s:s}", "interface", name));
}

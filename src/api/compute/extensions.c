/* SPDX-License-Identifier: Apache-2.0 */
/* What older clients ask before they use a part of the API, and lists that are always empty here. */
#include "api/compute/compute.h"
#include "base/util.h"

static const struct {
	const char *alias, *name, *description;
} extensions[] = {
	{ "os-admin-actions", "AdminActions", "States of servers, set by administrators." },
	{ "os-admin-password", "AdminPassword", "Passwords of servers." },
	{ "os-aggregates", "Aggregates", "Aggregates of hosts." },
	{ "os-availability-zone", "AvailabilityZone", "Availability zones of hosts." },
	{ "os-config-drive", "ConfigDrive", "Config drive." },
	{ "os-console-output", "ConsoleOutput", "Console log output." },
	{ "os-consoles", "Consoles", "Consoles of servers." },
	{ "os-create-backup", "CreateBackup", "Rotating images of servers." },
	{ "OS-DCF", "DiskConfig", "Disk management." },
	{ "os-evacuate", "Evacuate", "Servers of dead hosts." },
	{ "OS-EXT-AZ", "ExtendedAvailabilityZone", "Availability zone of servers." },
	{ "OS-EXT-IPS", "ExtendedIps", "Type of addresses." },
	{ "OS-EXT-IPS-MAC", "ExtendedIpsMac", "MAC of addresses." },
	{ "OS-EXT-SRV-ATTR", "ExtendedServerAttributes", "Host of servers, for administrators." },
	{ "OS-EXT-STS", "ExtendedStatus", "States of servers." },
	{ "os-extended-volumes", "ExtendedVolumes", "Volumes of servers." },
	{ "os-flavor-access", "FlavorAccess", "Flavors of some projects." },
	{ "os-flavor-extra-specs", "FlavorExtraSpecs", "Extra specs of flavors." },
	{ "OS-FLV-EXT-DATA", "FlavorExtraData", "Ephemeral disk of flavors." },
	{ "os-hosts", "Hosts", "Hosts, for old clients." },
	{ "os-hypervisors", "Hypervisors", "Hosts." },
	{ "os-instance-actions", "InstanceActions", "What was done with a server." },
	{ "os-instance_usage_audit_log", "OSInstanceUsageAuditLog", "Metering of hosts." },
	{ "os-keypairs", "Keypairs", "Key pairs." },
	{ "os-lock-server", "LockServer", "Locks of servers." },
	{ "os-migrate-server", "MigrateServer", "Moves of servers." },
	{ "os-migrations", "Migrations", "Moves of servers, listed." },
	{ "os-multiple-create", "MultipleCreate", "Several servers in one request." },
	{ "os-pause-server", "PauseServer", "Pause and unpause." },
	{ "os-quota-class-sets", "QuotaClasses", "Limits of projects that have none of their own." },
	{ "os-quota-sets", "Quotas", "Limits of projects." },
	{ "os-remote-consoles", "RemoteConsoles", "Consoles of servers." },
	{ "os-rescue", "Rescue", "Rescue of servers." },
	{ "OS-SCH-HNT", "SchedulerHints", "Hints to the scheduler." },
	{ "os-server-diagnostics", "ServerDiagnostics", "What running servers use." },
	{ "os-server-external-events", "ServerExternalEvents", "What other services saw of servers." },
	{ "os-server-groups", "ServerGroups", "Servers together, or apart." },
	{ "os-server-password", "ServerPassword", "Passwords that guests keep for their user." },
	{ "os-server-usage", "ServerUsage", "When servers ran." },
	{ "os-services", "Services", "Services of hosts." },
	{ "os-shelve", "Shelve", "Servers that leave their host." },
	{ "os-simple-tenant-usage", "SimpleTenantUsage", "Usage of projects." },
	{ "os-suspend-server", "SuspendServer", "Suspend and resume." },
	{ "os-used-limits", "UsedLimits", "Usage in limits." },
	{ "os-user-data", "UserData", "User data of servers." },
};

static void view(struct api_call *c, size_t i)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "alias", extensions[i].alias);
	jw_kv_str(b, "name", extensions[i].name);
	jw_kv_str(b, "description", extensions[i].description);
	jw_kv_str(b, "namespace", "http://docs.openstack.org/compute/ext/fake_xml");
	jw_kv_str(b, "updated", "2014-12-03T00:00:00Z");
	jw_key(b, "links");
	jw_array(b);
	jw_end_array(b);
	jw_end_object(b);
}

int compute_extensions(struct api_call *c, struct error *err)
{
	(void)err;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "extensions");
	jw_array(&c->out);
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		view(c, i);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int compute_extension(struct api_call *c, struct error *err)
{
	const char *alias = api_param(c, "alias");

	for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
		if (!str_eq(extensions[i].alias, alias))
			continue;
		c->status = 200;
		jw_object(&c->out);
		jw_key(&c->out, "extension");
		view(c, i);
		jw_end_object(&c->out);
		return 0;
	}
	return error_set(err, ERR_NOT_FOUND, "There is no extension %.64s.", alias);
}

int compute_gone(struct api_call *c, struct error *err)
{
	return error_set(err, ERR_GONE, "%s was removed from the compute API.", c->http->path);
}

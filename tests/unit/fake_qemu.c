/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that speaks QMP like a QEMU with two downstream ports, and misbehaves when it is
 * told to, one line on its standard input at a time, which is answered with one: "ok", or the list.
 * It is a process of its own: its pid, its command line and its death are part of what is tested.
 *
 *	fake_qemu path=SOCKET   or   FAKE_PATH=SOCKET fake_qemu hidden
 *
 *	hold CMD    neither the next CMD nor what follows is carried out, until "go"
 *	mute CMD    from the next CMD on all is carried out and nothing answered, until "go"
 *	die CMD     exits instead of carrying CMD out
 *	after CMD   carries CMD out and exits
 *	refuse CMD  refuses the next CMD with QEMU's words for a lock; as with QEMU 7.2, a device
 *	            that was refused goes on to use its image
 *	lazy        device_del waits for the guest from now on
 *	eject       the guest lets go of all adapters
 *	vanish      all adapters are gone, and no event tells
 *	dead        all adapters stop to answer (realized=false)
 *	disk F      an image of its command line
 *	stranger F  a device that somebody else has added
 *	close       closes its connection
 *	list        what it has, in one line
 */
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { THINGS = 64, TEXT = 200, LINE = 65536 };

struct device {
	char id[TEXT]; /* empty: free */
	char driver[TEXT];
	char bus[TEXT];
	char serial[TEXT];
	char mac[TEXT];
	char drive[TEXT];
	char netdev[TEXT];
	bool is_dead;
	bool is_asked; /* to go */
};

struct node {
	char name[TEXT];
	char file[TEXT];
};

static struct device devices[THINGS];
static struct node nodes[THINGS];
static struct node netdevs[THINGS];
static struct device ghosts[THINGS];
static char disk[TEXT]; /* on the command line */
static char trap[TEXT], trap_command[TEXT];
static bool is_held, is_mute, is_lazy;
static int client = -1;
static char input[LINE], held_answers[LINE];
static size_t input_length;

static void copy(char *out, const char *text)
{
	(void)snprintf(out, TEXT, "%s", text ? text : "");
}

static void say(const char *text)
{
	if (is_mute)
		(void)strncat(held_answers, text, sizeof(held_answers) - strlen(held_answers) - 1);
	else if (client >= 0 && write(client, text, strlen(text)) < 0)
		client = -1;
}

static const char *text_of(json_object *object, const char *name)
{
	json_object *value;

	return object && json_object_object_get_ex(object, name, &value)
		       ? json_object_get_string(value)
		       : NULL;
}

static struct device *device_find(const char *id)
{
	for (size_t i = 0; i < THINGS; i++)
		if (!strcmp(devices[i].id, id))
			return &devices[i];
	return NULL;
}

static struct node *node_find(struct node *list, const char *name)
{
	for (size_t i = 0; i < THINGS; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

static void device_gone(struct device *d)
{
	char text[3 * TEXT];

	(void)snprintf(text, sizeof(text),
		       "{\"timestamp\":{\"seconds\":1,\"microseconds\":2},\"event\":"
		       "\"DEVICE_DELETED\",\"data\":{\"device\":\"%s\",\"path\":"
		       "\"/machine/peripheral/%s\"}}\r\n",
		       d->id, d->id);
	memset(d, 0, sizeof(*d));
	say(text);
}

/* commands: the answer's JSON, or an error's description into @error */

static json_object *nothing(void)
{
	return json_object_new_object();
}

static json_object *do_list(json_object *arguments)
{
	json_object *list = json_object_new_array();
	const char *path = text_of(arguments, "path");

	for (size_t i = 0; path && !strcmp(path, "/machine/peripheral") && i < THINGS; i++) {
		char type[2 * TEXT];
		json_object *one;

		if (!devices[i].id[0])
			continue;
		(void)snprintf(type, sizeof(type), "child<%s>", devices[i].driver);
		one = json_object_new_object();
		json_object_object_add(one, "name", json_object_new_string(devices[i].id));
		json_object_object_add(one, "type", json_object_new_string(type));
		json_object_array_add(list, one);
	}
	return list;
}

static json_object *do_get(json_object *arguments, char *error)
{
	const char *path = text_of(arguments, "path");
	const char *property = text_of(arguments, "property");
	const struct device *d =
		path && strrchr(path, '/') ? device_find(strrchr(path, '/') + 1) : NULL;
	const struct {
		const char *name;
		const char *text;
	} properties[] = {
		{ "serial", d ? d->serial : "" },
		{ "mac", d ? d->mac : "" },
		{ "drive", d ? d->drive : "" },
		{ "netdev", d ? d->netdev : "" },
	};
	char bus[3 * TEXT];

	(void)snprintf(error, TEXT, "Property not found");
	if (!d || !property)
		return NULL;
	if (!strcmp(property, "realized"))
		return json_object_new_boolean(!d->is_dead);
	(void)snprintf(bus, sizeof(bus), "/machine/peripheral/%s/%s", d->bus, d->bus);
	if (!strcmp(property, "parent_bus") && d->bus[0])
		return json_object_new_string(bus);
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		if (!strcmp(properties[i].name, property) && properties[i].text[0])
			return json_object_new_string(properties[i].text);
	return NULL;
}

static void block_add(json_object *list, const char *device, const char *name, const char *file)
{
	json_object *one = json_object_new_object();
	json_object *inserted = json_object_new_object();

	json_object_object_add(inserted, "node-name", json_object_new_string(name));
	json_object_object_add(inserted, "file", json_object_new_string(file));
	json_object_object_add(one, "qdev", json_object_new_string(device));
	json_object_object_add(one, "inserted", inserted);
	json_object_array_add(list, one);
}

static json_object *do_blocks(void)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < THINGS; i++) {
		const struct node *n =
			devices[i].drive[0] ? node_find(nodes, devices[i].drive) : NULL;

		if (n)
			block_add(list, devices[i].id, n->name, n->file);
	}
	for (size_t i = 0; i < THINGS && ghosts[i].drive[0]; i++)
		if (node_find(nodes, ghosts[i].drive))
			block_add(list, ghosts[i].id, ghosts[i].drive,
				  node_find(nodes, ghosts[i].drive)->file);
	if (disk[0])
		block_add(list, "/machine/unattached/device[9]", "#block1", disk);
	return list;
}

static json_object *do_nodes(void)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < THINGS; i++) {
		json_object *one;

		if (!nodes[i].name[0])
			continue;
		one = json_object_new_object();
		json_object_object_add(one, "node-name", json_object_new_string(nodes[i].name));
		json_object_array_add(list, one);
	}
	return list;
}

/* A host bridge, and a bridge that the window does not show. */
static json_object *do_pci(void)
{
	return json_tokener_parse(
		"[{\"bus\":0,\"devices\":[{\"bus\":0,\"slot\":4,\"function\":0,\"id\":{\"vendor\":"
		"6966,\"device\":12},\"class_info\":{\"class\":1540},\"pci_bridge\":{\"bus\":"
		"{\"secondary\":1,\"subordinate\":2}}},{\"bus\":0,\"slot\":0,\"function\":0,\"id\":"
		"{\"vendor\":32902,\"device\":10688},\"class_info\":{\"class\":1536}}]}]");
}

static json_object *do_memory(json_object *arguments)
{
	const char *line = text_of(arguments, "command-line");
	char text[32768] = "";
	size_t length = 0;

	for (unsigned i = 0; line && !strcmp(line, "xp /1024xw 0xb0000000") && i < 1024; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s0x%08x%s",
					   i % 4 ? " " : "00000000b0000000: ", i ? i : 0x29c08086,
					   i % 4 == 3 ? "\r\n" : "");
	return json_object_new_string(text);
}

static json_object *do_device_add(json_object *arguments, char *error)
{
	struct device *d = device_find("");
	const char *id = text_of(arguments, "id");
	const char *drive = text_of(arguments, "drive");

	if (!id || device_find(id)) {
		(void)snprintf(error, TEXT, "Duplicate device ID '%s'", id ? id : "");
		return NULL;
	}
	if (drive && !node_find(nodes, drive)) {
		(void)snprintf(error, TEXT, "Property 'drive' can't find value '%s'", drive);
		return NULL;
	}
	copy(d->id, id);
	copy(d->driver, text_of(arguments, "driver"));
	copy(d->bus, text_of(arguments, "bus"));
	copy(d->serial, text_of(arguments, "serial"));
	copy(d->mac, text_of(arguments, "mac"));
	copy(d->drive, drive);
	copy(d->netdev, text_of(arguments, "netdev"));
	return nothing();
}

static json_object *do_device_del(json_object *arguments, char *error)
{
	const char *id = text_of(arguments, "id");
	struct device *d = id && *id ? device_find(id) : NULL;

	if (!d) {
		(void)snprintf(error, TEXT, "!Device '%s' not found", id ? id : "");
		return NULL;
	}
	if (d->is_asked) {
		(void)snprintf(error, TEXT, "Device %s is already in the process of unplug", id);
		return NULL;
	}
	d->is_asked = true;
	if (!is_lazy)
		device_gone(d);
	return nothing();
}

static json_object *back_add(struct node *list, const char *name, const char *file, char *error)
{
	struct node *n = node_find(list, "");

	if (!name || node_find(list, name)) {
		(void)snprintf(error, TEXT, "Duplicate nodes with node-name='%s'", name);
		return NULL;
	}
	copy(n->name, name);
	copy(n->file, file);
	return nothing();
}

static json_object *back_del(struct node *list, const char *name, char *error)
{
	struct node *n = name ? node_find(list, name) : NULL;

	for (size_t i = 0; n && i < THINGS && ghosts[i].drive[0]; i++)
		if (!strcmp(ghosts[i].drive, name)) {
			(void)snprintf(error, TEXT, "Node %s is in use", name);
			return NULL;
		}
	for (size_t i = 0; n && i < THINGS; i++)
		if (devices[i].id[0] &&
		    (!strcmp(devices[i].drive, name) || !strcmp(devices[i].netdev, name))) {
			(void)snprintf(error, TEXT, "Node %s is in use", name);
			return NULL;
		}
	(void)snprintf(error, TEXT, "Cannot find '%s'", name ? name : "");
	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	return nothing();
}

static json_object *carry_out(const char *command, json_object *arguments, char *error)
{
	json_object *file = NULL;

	if (!strcmp(command, "qmp_capabilities"))
		return nothing();
	if (!strcmp(command, "qom-list"))
		return do_list(arguments);
	if (!strcmp(command, "qom-get"))
		return do_get(arguments, error);
	if (!strcmp(command, "query-block"))
		return do_blocks();
	if (!strcmp(command, "query-named-block-nodes"))
		return do_nodes();
	if (!strcmp(command, "query-pci"))
		return do_pci();
	if (!strcmp(command, "human-monitor-command"))
		return do_memory(arguments);
	if (!strcmp(command, "device_add"))
		return do_device_add(arguments, error);
	if (!strcmp(command, "device_del"))
		return do_device_del(arguments, error);
	if (!strcmp(command, "blockdev-add") && json_object_object_get_ex(arguments, "file", &file))
		return back_add(nodes, text_of(arguments, "node-name"), text_of(file, "filename"),
				error);
	if (!strcmp(command, "blockdev-del"))
		return back_del(nodes, text_of(arguments, "node-name"), error);
	if (!strcmp(command, "netdev_add"))
		return back_add(netdevs, text_of(arguments, "id"), "", error);
	if (!strcmp(command, "netdev_del"))
		return back_del(netdevs, text_of(arguments, "id"), error);
	(void)snprintf(error, TEXT, "The command %s has not been found", command);
	return NULL;
}

static void answer(json_object *id, json_object *value, const char *error)
{
	json_object *whole = json_object_new_object();
	json_object *fault;
	char text[LINE];

	if (value) {
		json_object_object_add(whole, "return", value);
	} else {
		fault = json_object_new_object();
		json_object_object_add(
			fault, "class",
			json_object_new_string(*error == '!' ? "DeviceNotFound" : "GenericError"));
		json_object_object_add(fault, "desc",
				       json_object_new_string(error + (*error == '!')));
		json_object_object_add(whole, "error", fault);
	}
	json_object_object_add(whole, "id", json_object_get(id));
	(void)snprintf(text, sizeof(text), "%s\r\n", json_object_to_json_string(whole));
	json_object_put(whole);
	say(text);
}

/* False: it is not carried out now. */
static bool trapped(const char *command, const char *which)
{
	if (strcmp(trap, which) != 0 || strcmp(trap_command, command) != 0)
		return false;
	trap[0] = '\0';
	return true;
}

static void ghost_add(json_object *arguments)
{
	size_t i = 0;

	while (ghosts[i].drive[0])
		i++;
	copy(ghosts[i].id, text_of(arguments, "id"));
	copy(ghosts[i].drive, text_of(arguments, "drive"));
}

static bool line_take(char *line)
{
	json_object *tree = json_tokener_parse(line), *arguments = NULL, *id = NULL, *value;
	const char *command = text_of(tree, "execute");
	char error[TEXT] = "";

	if (!command)
		exit(1);
	(void)json_object_object_get_ex(tree, "arguments", &arguments);
	(void)json_object_object_get_ex(tree, "id", &id);
	if (trapped(command, "die"))
		exit(0);
	if (trapped(command, "hold")) {
		is_held = true;
		json_object_put(tree);
		return false;
	}
	is_mute |= trapped(command, "mute");
	if (trapped(command, "refuse")) {
		value = NULL;
		ghost_add(arguments);
		(void)snprintf(error, sizeof(error), "Failed to get \"write\" lock");
	} else {
		value = carry_out(command, arguments, error);
	}
	if (trapped(command, "after"))
		exit(0);
	answer(id, value, error);
	json_object_put(tree);
	return true;
}

static void input_go(void)
{
	char *end;

	while (!is_held && (end = memchr(input, '\n', input_length))) {
		size_t length = (size_t)(end - input) + 1;

		*end = '\0';
		if (!line_take(input)) {
			*end = '\n'; /* it stays until "go" */
			return;
		}
		memmove(input, input + length, input_length - length);
		input_length -= length;
	}
}

static void client_read(void)
{
	ssize_t n = read(client, input + input_length, sizeof(input) - input_length);

	if (n <= 0) {
		(void)close(client);
		client = -1;
		input_length = 0;
		is_held = is_mute = false;
		held_answers[0] = '\0';
		return;
	}
	input_length += (size_t)n;
	input_go();
}

static void is_all(void (*fn)(struct device *))
{
	for (size_t i = 0; i < THINGS; i++)
		if (devices[i].serial[0] || devices[i].mac[0])
			fn(&devices[i]);
}

static void vanish(struct device *d)
{
	memset(d, 0, sizeof(*d));
}

static void die(struct device *d)
{
	d->is_dead = true;
}

static void stranger_add(const char *file)
{
	struct device *d = device_find("");

	copy(d->id, "mydisk");
	copy(d->driver, "nvme");
	copy(d->bus, "dn1");
	copy(d->serial, "NONE");
	copy(d->drive, "mynode");
	(void)snprintf(nodes[THINGS - 1].name, TEXT, "mynode");
	copy(nodes[THINGS - 1].file, file);
}

static void list_print(void)
{
	for (size_t i = 0; i < THINGS; i++)
		if (devices[i].serial[0] || devices[i].mac[0])
			(void)printf("device %s at %s mac %s;", devices[i].id, devices[i].bus,
				     devices[i].mac);
	for (size_t i = 0; i < THINGS; i++)
		if (nodes[i].name[0])
			(void)printf("node %s;", nodes[i].name);
	for (size_t i = 0; i < THINGS; i++)
		if (netdevs[i].name[0])
			(void)printf("netdev %s;", netdevs[i].name);
	(void)printf("\n");
}

static void go(void)
{
	bool was_held = is_held;

	is_held = is_mute = false;
	say(held_answers);
	held_answers[0] = '\0';
	if (was_held)
		input_go();
}

static void control(char *line)
{
	char *argument = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (argument)
		*argument++ = '\0';
	if (!strcmp(line, "list")) {
		list_print();
		return;
	}
	if (!strcmp(line, "go"))
		go();
	else if (!strcmp(line, "lazy"))
		is_lazy = true;
	else if (!strcmp(line, "eject"))
		is_all(device_gone);
	else if (!strcmp(line, "vanish"))
		is_all(vanish);
	else if (!strcmp(line, "dead"))
		is_all(die);
	else if (!strcmp(line, "disk"))
		copy(disk, argument);
	else if (!strcmp(line, "stranger"))
		stranger_add(argument);
	else if (!strcmp(line, "close") && client >= 0)
		(void)shutdown(client, SHUT_RDWR);
	else if (argument) {
		copy(trap, line);
		copy(trap_command, argument);
	}
	(void)printf("ok\n");
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4))
		exit(2);
	return fd;
}

static void machine_build(void)
{
	static const char *const ports[][3] = {
		{ "rp0", "pcie-root-port", "" },
		{ "up0", "x3130-upstream", "rp0" },
		{ "dn0", "xio3130-downstream", "up0" },
		{ "dn1", "xio3130-downstream", "up0" },
	};

	for (size_t i = 0; i < 4; i++) {
		copy(devices[i].id, ports[i][0]);
		copy(devices[i].driver, ports[i][1]);
		copy(devices[i].bus, ports[i][2]);
	}
}

int main(int argc, char **argv)
{
	const char *path = argc == 2 ? argv[1] + 5 : "";
	char line[TEXT];
	int listener;

	if (argc == 2 && !strcmp(argv[1], "hidden"))
		path = getenv("FAKE_PATH");
	else if (argc != 2 || strncmp(argv[1], "path=", 5) != 0)
		return 2;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	machine_build();
	listener = listen_on(path);
	(void)printf("ok\n");
	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = 0, .events = POLLIN },
			{ .fd = client < 0 ? listener : -1, .events = POLLIN },
			{ .fd = client, .events = POLLIN },
		};

		(void)poll(fds, 3, -1);
		if (fds[0].revents) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			control(line);
		}
		if (fds[1].revents) {
			client = accept(listener, NULL, NULL);
			say("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
		} else if (client >= 0 && fds[2].revents) {
			client_read();
		}
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what a blade has. Two rounds of commands, each sent at once: the lists (QOM's children, the
 * images that devices have open), then what is not known yet of the devices in them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/identity.h"
#include "common/log.h"
#include "provider/qemu/blade.h"

#define NODE_PREFIX "fabn"

enum { PARTS_MAX = 4096 };

/* Where devices stand. Those of the machine itself come and go with the process. */
static const struct root {
	const char *path;
	bool is_fixed;
} roots[] = {
	{ "/machine/peripheral", false },
	{ "/machine/peripheral-anon", false },
	{ "/machine/unattached", true },
};

enum { ROOTS = sizeof(roots) / sizeof(roots[0]) };

struct qemu_look {
	struct qemu_blade *blade;
	struct qemu_content content;
	struct qmp_block *blocks;
	size_t block_count;
	struct qmp_child *nodes;
	size_t node_count;
	size_t open;   /* answers that are to come */
	size_t answer; /* of the round: they come in the order of the commands */
	struct detail *details;
	size_t detail_count;
	bool is_spoilt;
	bool is_second; /* round */
	char why[QMP_TEXT_MAX];
};

/* One property of one part that is asked for. */
struct detail {
	size_t part;
	size_t property;
};

static void take_bus(struct qemu_part *part, struct json_object *value)
{
	if (qmp_text(value, part->bus, sizeof(part->bus)))
		part->bus[0] = '\0';
}

static void take_serial(struct qemu_part *part, struct json_object *value)
{
	if (qmp_text(value, part->serial, sizeof(part->serial)))
		part->serial[0] = '\0'; /* longer than any of the pool's */
}

static void take_drive(struct qemu_part *part, struct json_object *value)
{
	if (qmp_text(value, part->node, sizeof(part->node)))
		part->node[0] = '\0';
}

static void take_netdev(struct qemu_part *part, struct json_object *value)
{
	if (qmp_text(value, part->netdev, sizeof(part->netdev)))
		part->netdev[0] = '\0';
}

static void take_mac(struct qemu_part *part, struct json_object *value)
{
	char text[IDENTITY_TEXT];

	if (qmp_text(value, text, sizeof(text)) || identity_mac_parse(text, &part->mac))
		part->mac = 0;
}

static void take_realized(struct qemu_part *part, struct json_object *value)
{
	bool realized = true;

	part->is_dead = !qmp_bool(value, &realized) && !realized;
}

/* A device does not have all of them; then the answer is an error. */
static const struct property {
	const char *name;
	bool is_again; /* it may change: asked for at each look of what may be the pool's */
	void (*take)(struct qemu_part *part, struct json_object *value);
} properties[] = {
	{ "parent_bus", false, take_bus }, { "serial", false, take_serial },
	{ "mac", false, take_mac },        { "drive", false, take_drive },
	{ "netdev", false, take_netdev },  { "realized", true, take_realized },
};

enum { PROPERTIES = sizeof(properties) / sizeof(properties[0]) };

static void look_free(struct qemu_look *look)
{
	qemu_content_done(&look->content);
	free(look->blocks);
	free(look->nodes);
	free(look->details);
	free(look);
}

void qemu_look_drop(struct qemu_blade *blade)
{
	struct qemu_look *look = blade->look;

	if (!look)
		return;
	if (blade->link)
		qemu_link_forget(blade->link, look);
	blade->look = NULL;
	look_free(look);
}

void qemu_look_spoil(struct qemu_blade *blade)
{
	if (blade->look)
		blade->look->is_spoilt = true;
}

/* Memory regions and interrupt lines are no devices. */
static bool is_device(const char *type)
{
	return strncmp(type, "qemu:", 5) != 0 && strcmp(type, "irq") != 0 &&
	       strcmp(type, "memory-region") != 0;
}

static int part_take(struct qemu_look *look, const struct root *root, const struct qmp_child *child)
{
	struct qemu_content *content = &look->content;
	struct qemu_part *part;
	const struct qemu_part *before;

	if (!is_device(child->type) || content->part_count == PARTS_MAX)
		return 0;
	part = reallocarray(content->parts, content->part_count + 1, sizeof(*part));
	if (!part)
		return -ENOMEM;
	content->parts = part;
	part += content->part_count++;
	*part = (struct qemu_part){ 0 };
	(void)snprintf(part->path, sizeof(part->path), "%s/%s", root->path, child->name);
	memcpy(part->type, child->type, sizeof(part->type));
	before = qemu_content_find(&look->blade->content, part->path);
	if (before && before->is_known && !strcmp(before->type, part->type))
		*part = *before;
	return 0;
}

static void look_end(struct qemu_look *look, const char *why);
static int look_details(struct qemu_look *look);
static void look_commit(struct qemu_look *look);

static void failed(struct qemu_look *look, const char *what, const struct qmp_message *answer)
{
	if (!look->why[0])
		(void)snprintf(look->why, sizeof(look->why), "%.60s: %.130s", what,
			       answer->kind == QMP_ERROR ? answer->text
							 : "an answer without sense");
}

/* One more answer is there; the last of a round begins the next. */
static void round_step(struct qemu_look *look)
{
	int r = 0;

	look->answer++;
	if (--look->open)
		return;
	if (look->why[0]) {
		look_end(look, look->why);
	} else if (look->is_spoilt) {
		look_end(look, NULL);
	} else if (look->is_second) {
		look_commit(look);
	} else {
		r = look_details(look);
		if (r)
			look_end(look, strerror(-r));
		else if (!look->open)
			look_commit(look);
	}
}

static void list_answered(void *arg, const struct qmp_message *answer)
{
	struct qemu_look *look = arg;
	const struct root *root = &roots[look->answer];
	struct qmp_child *children = NULL;
	size_t count = 0;
	int r = answer->kind == QMP_RETURN ? qmp_children(answer->value, &children, &count)
					   : REFUSE_SYNTAX;

	if (r)
		failed(look, root->path, answer);
	for (size_t i = 0; !r && i < count; i++)
		if (part_take(look, root, &children[i]))
			failed(look, root->path, answer);
	free(children);
	round_step(look);
}

static void blocks_answered(void *arg, const struct qmp_message *answer)
{
	struct qemu_look *look = arg;

	if (answer->kind != QMP_RETURN ||
	    qmp_blocks(answer->value, &look->blocks, &look->block_count))
		failed(look, "query-block", answer);
	round_step(look);
}

static void nodes_answered(void *arg, const struct qmp_message *answer)
{
	struct qemu_look *look = arg;

	if (answer->kind != QMP_RETURN ||
	    qmp_nodes(answer->value, NODE_PREFIX, &look->nodes, &look->node_count))
		failed(look, "query-named-block-nodes", answer);
	round_step(look);
}

static void detail_answered(void *arg, const struct qmp_message *answer)
{
	struct qemu_look *look = arg;
	const struct detail *detail = &look->details[look->answer];

	if (answer->kind == QMP_RETURN)
		properties[detail->property].take(&look->content.parts[detail->part],
						  answer->value);
	round_step(look);
}

static int ask(struct qemu_look *look, const char *command, const struct qmp_argument *arguments,
	       qemu_answer_fn *fn)
{
	if (!qemu_link_send(look->blade->link, command, arguments, QEMU_READS, 0, fn, look))
		return -ENOMEM;
	look->open++;
	return 0;
}

static int detail_ask(struct qemu_look *look, size_t part, size_t property)
{
	const struct qmp_argument arguments[] = {
		{ "path", look->content.parts[part].path, false },
		{ "property", properties[property].name, false },
		{ 0 },
	};

	look->details[look->detail_count++] = (struct detail){ part, property };
	return ask(look, "qom-get", arguments, detail_answered);
}

/* The second round: what is not known yet, and what may have changed. */
static int look_details(struct qemu_look *look)
{
	int r = 0;

	look->is_second = true;
	look->answer = 0;
	look->details = calloc(look->content.part_count * PROPERTIES + 1, sizeof(struct detail));
	if (!look->details)
		return -ENOMEM;
	for (size_t i = 0; i < look->content.part_count; i++) {
		struct qemu_part *part = &look->content.parts[i];
		bool is_pool = qemu_device_find_type(part->type);

		for (size_t p = 0; !r && p < PROPERTIES; p++)
			if (!part->is_known || (properties[p].is_again && is_pool))
				r = detail_ask(look, i, p);
	}
	return r;
}

/* A path that QEMU was given is its own: one that is not absolute begins where it stands. */
static bool file_stat(const struct qemu_blade *blade, const char *file, struct stat *st)
{
	char path[QMP_FILE_MAX + 64];

	if (file[0] == '/' || blade->pidfd < 0)
		return !stat(file, st);
	(void)snprintf(path, sizeof(path), "/proc/%d/cwd/%s", (int)blade->pid, file); /* it fits */
	return !stat(path, st);
}

/* Which adapter's image is that file? By what it is, or by its name where it cannot be seen. */
static uint32_t adapter_of_file(const struct qemu_blade *blade, const char *file)
{
	struct stat theirs, ours;
	bool is_there = file_stat(blade, file, &theirs);

	for (size_t i = 0; i < blade->chassis->adapter_count; i++) {
		const char *own = blade->chassis->adapters[i].file;

		if (own[0] && !strcmp(own, file))
			return (uint32_t)(i + 1);
		if (own[0] && is_there && !stat(own, &ours) && ours.st_dev == theirs.st_dev &&
		    ours.st_ino == theirs.st_ino)
			return (uint32_t)(i + 1);
	}
	return 0;
}

static int images_take(struct qemu_look *look)
{
	struct qemu_content *content = &look->content;

	content->images = calloc(look->block_count + 1, sizeof(*content->images));
	if (!content->images)
		return -ENOMEM;
	content->image_count = look->block_count;
	for (size_t i = 0; i < look->block_count; i++) {
		memcpy(content->images[i].device, look->blocks[i].device,
		       sizeof(content->images[i].device));
		content->images[i].adapter = adapter_of_file(look->blade, look->blocks[i].file);
	}
	return 0;
}

static bool node_is_used(const struct qemu_look *look, const char *node)
{
	for (size_t i = 0; i < look->content.part_count; i++)
		if (!strcmp(look->content.parts[i].node, node))
			return true;
	return false;
}

/* Back ends of ours that nobody uses: whoever made them has ended before it was through. */
static void nodes_sweep(struct qemu_look *look)
{
	for (size_t i = 0; i < look->node_count; i++) {
		const struct qmp_argument arguments[] = {
			{ "node-name", look->nodes[i].name, false },
			{ 0 },
		};

		if (node_is_used(look, look->nodes[i].name))
			continue;
		log_debug("%s: back end %s is used by nothing", look->blade->host->bay,
			  look->nodes[i].name);
		/* one that a refused device_add has left behind cannot go: nothing is lost */
		(void)qemu_link_send(look->blade->link, "blockdev-del", arguments, QEMU_CHANGES, 0,
				     NULL, NULL);
	}
}

static void look_commit(struct qemu_look *look)
{
	struct qemu_blade *blade = look->blade;
	int r = images_take(look);

	if (r) {
		look_end(look, strerror(-r));
		return;
	}
	for (size_t i = 0; i < look->content.part_count; i++)
		look->content.parts[i].is_known = true;
	if (!blade->is_swept && !qemu_link_open(blade->link, QEMU_CHANGES, 0)) {
		blade->is_swept = true;
		nodes_sweep(look);
	}
	qemu_content_done(&blade->content);
	blade->content = look->content;
	look->content = (struct qemu_content){ 0 };
	blade->is_whole = true;
	blade->look_seen = blade->look_began;
	look_end(look, NULL);
}

static void look_end(struct qemu_look *look, const char *why)
{
	struct qemu_blade *blade = look->blade;
	char text[QMP_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "%s", why ? why : "");
	qemu_look_drop(blade);
	qemu_blade_looked(blade, why ? text : NULL);
}

/* The fixed ones are taken over when they were read before. */
static int fixed_keep(struct qemu_look *look, const struct root *root)
{
	const struct qemu_content *before = &look->blade->content;
	size_t length = strlen(root->path);
	int r = 0;

	for (size_t i = 0; !r && i < before->part_count; i++) {
		struct qmp_child child = { 0 };

		if (strncmp(before->parts[i].path, root->path, length) != 0)
			continue;
		(void)snprintf(child.name, sizeof(child.name), "%s",
			       before->parts[i].path + length + 1);
		memcpy(child.type, before->parts[i].type, sizeof(child.type));
		r = part_take(look, root, &child);
	}
	return r;
}

static int lists_ask(struct qemu_look *look)
{
	int r = 0;

	for (size_t i = 0; !r && i < ROOTS; i++) {
		const struct qmp_argument arguments[] = { { "path", roots[i].path, false }, { 0 } };

		if (roots[i].is_fixed && look->blade->is_whole)
			r = fixed_keep(look, &roots[i]);
		else
			r = ask(look, "qom-list", arguments, list_answered);
	}
	if (!r)
		r = ask(look, "query-block", NULL, blocks_answered);
	if (!r && !look->blade->is_swept)
		r = ask(look, "query-named-block-nodes", NULL, nodes_answered);
	return r;
}

int qemu_look_begin(struct qemu_blade *blade)
{
	struct qemu_look *look = calloc(1, sizeof(*look));
	int r;

	if (!look)
		return -ENOMEM;
	look->blade = blade;
	blade->look = look;
	r = lists_ask(look);
	if (r)
		qemu_look_drop(blade);
	return r;
}

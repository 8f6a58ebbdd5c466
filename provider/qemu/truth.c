/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/qemu/truth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERIPHERAL "/machine/peripheral/"

enum { CLIMB_MAX = 16, KEY_LENGTH = 8 };

/* ids */

void qemu_id_format(const struct qemu_id *id, char out[static QMP_NAME_MAX])
{
	(void)snprintf(out, QMP_NAME_MAX, "fab-%s-g%" PRIu64 "-a%" PRIu64 "-n%08" PRIx32 "%s",
		       id->key, id->generation, id->attempt, id->nonce,
		       id->has_identity ? "-i" : ""); /* it fits: 78 bytes at most */
}

static bool take_tag(const char **at, const char *tag)
{
	size_t length = strlen(tag);

	if (strncmp(*at, tag, length) != 0)
		return false;
	*at += length;
	return true;
}

/* Decimal digits, no leading zero. */
static bool take_decimal(const char **at, uint64_t *out)
{
	uint64_t n = 0;

	if (**at < '1' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; ++*at)
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(**at - '0'), &n))
			return false;
	*out = n;
	return true;
}

/* Eight of them, in small letters. */
static bool take_hex(const char **at, char *out)
{
	if (strspn(*at, "0123456789abcdef") < KEY_LENGTH)
		return false;
	memcpy(out, *at, KEY_LENGTH);
	out[KEY_LENGTH] = '\0';
	*at += KEY_LENGTH;
	return true;
}

bool qemu_id_parse(const char *text, struct qemu_id *out)
{
	struct qemu_id id = { 0 };
	char nonce[KEY_LENGTH + 1];

	if (!take_tag(&text, "fab-") || !take_hex(&text, id.key) || !take_tag(&text, "-g") ||
	    !take_decimal(&text, &id.generation) || !take_tag(&text, "-a") ||
	    !take_decimal(&text, &id.attempt) || !take_tag(&text, "-n") || !take_hex(&text, nonce))
		return false;
	id.has_identity = take_tag(&text, "-i");
	if (*text)
		return false;
	id.nonce = (uint32_t)strtoul(nonce, NULL, 16);
	*out = id;
	return true;
}

/* content */

void qemu_content_done(struct qemu_content *content)
{
	free(content->parts);
	free(content->images);
	*content = (struct qemu_content){ 0 };
}

struct qemu_part *qemu_content_find(const struct qemu_content *content, const char *path)
{
	for (size_t i = 0; i < content->part_count; i++)
		if (!strcmp(content->parts[i].path, path))
			return &content->parts[i];
	return NULL;
}

const char *qemu_part_id(const struct qemu_part *part)
{
	size_t length = strlen(PERIPHERAL);

	return strncmp(part->path, PERIPHERAL, length) ? NULL : part->path + length;
}

/* What @path is in, of the devices: "/machine/peripheral/x/virtio-backend" is in x. */
static const struct qemu_part *part_around(const struct qemu_content *content, const char *path)
{
	const struct qemu_part *best = NULL;
	size_t best_length = 0;

	for (size_t i = 0; i < content->part_count; i++) {
		const struct qemu_part *part = &content->parts[i];
		size_t length = strlen(part->path);

		if (length > best_length && !strncmp(path, part->path, length) &&
		    (path[length] == '/' || !path[length])) {
			best = part;
			best_length = length;
		}
	}
	return best;
}

void qemu_content_remove(struct qemu_content *content, struct qemu_part *part)
{
	for (size_t i = content->image_count; i-- > 0;)
		if (part_around(content, content->images[i].device) == part)
			content->images[i] = content->images[--content->image_count];
	*part = content->parts[--content->part_count];
}

static uint16_t vport_of_port(const struct qemu_host *host, const struct qemu_part *port)
{
	const char *id = qemu_part_id(port);

	for (uint16_t v = 1; id && v <= host->vports; v++)
		if (!strcmp(host->ports[v - 1], id))
			return v;
	return 0;
}

uint16_t qemu_part_vport(const struct qemu_content *content, const struct qemu_host *host,
			 const struct qemu_part *part)
{
	for (int step = 0; part && part->bus[0] && step < CLIMB_MAX; step++) {
		const struct qemu_part *port = part_around(content, part->bus);
		uint16_t vport = port ? vport_of_port(host, port) : 0;

		if (vport)
			return vport;
		part = port;
	}
	return 0;
}

bool qemu_vport_is_taken(const struct qemu_content *content, const struct qemu_host *host,
			 uint16_t vport)
{
	for (size_t i = 0; i < content->part_count; i++)
		if (qemu_part_vport(content, host, &content->parts[i]) == vport)
			return true;
	return false;
}

/* judgement */

const char *qemu_blade_state_text(enum qemu_blade_state state)
{
	static const char *const texts[] = {
		[QEMU_BLADE_STARTING] = "starting",
		[QEMU_BLADE_UP] = "up",
		[QEMU_BLADE_HUNG] = "hung",
		[QEMU_BLADE_OFF] = "off",
	};

	return texts[state];
}

struct judge {
	const struct qemu_chassis *chassis;
	const struct qemu_sight *sights;
	struct qemu_place *places;
	uint8_t (*taken)[PROVIDER_VPORTS_MAX + 1]; /* by host: vports that something was told at */
};

static uint32_t image_of(const struct qemu_content *content, const struct qemu_part *part)
{
	for (size_t i = 0; i < content->image_count; i++)
		if (content->images[i].adapter &&
		    part_around(content, content->images[i].device) == part)
			return content->images[i].adapter;
	return 0;
}

/* Ours: the id is of this adapter, and nothing about the device says otherwise. */
static bool is_own(const struct qemu_adapter *a, uint32_t handle, const struct qemu_part *part,
		   uint32_t image, struct qemu_id *id)
{
	const char *text = qemu_part_id(part);

	if (!text || !qemu_id_parse(text, id) || strcmp(id->key, a->key) != 0 ||
	    strcmp(part->type, a->device->type) != 0)
		return false;
	if (a->serial[0] && strcmp(a->serial, part->serial) != 0)
		return false;
	return !image || image == handle;
}

static bool is_foreign(const struct qemu_adapter *a, uint32_t handle, const struct qemu_part *part,
		       uint32_t image)
{
	const char *text = qemu_part_id(part);
	struct qemu_id id;

	if (image == handle)
		return true;
	/* bound by us, and not at a vport that the chassis file has today */
	if (text && qemu_id_parse(text, &id) && !strcmp(id.key, a->key))
		return true;
	if (a->serial[0] && !strcmp(a->serial, part->serial))
		return true;
	return a->mac && a->mac == part->mac;
}

/* A number above the host's own vports, from the highest down; 0: none is left. */
static uint16_t elsewhere(const struct judge *j, size_t host)
{
	for (uint16_t v = PROVIDER_VPORTS_MAX; v > j->chassis->hosts[host].vports; v--)
		if (!j->taken[host][v])
			return v;
	for (uint16_t v = PROVIDER_VPORTS_MAX; v; v--)
		if (!j->taken[host][v])
			return v;
	return 0;
}

static void place_set(const struct judge *j, size_t host, uint32_t handle,
		      const struct qemu_part *part, uint16_t vport, const struct qemu_id *own)
{
	struct qemu_place *place = &j->places[handle - 1];
	const struct qemu_adapter *a = &j->chassis->adapters[handle - 1];

	if (place->binding.host) { /* the same adapter seen twice: its device, and what is in it */
		place->is_twice |=
			place->binding.host != host + 1 || (vport && place->binding.vport != vport);
		return;
	}
	if (!vport || j->taken[host][vport])
		vport = elsewhere(j, host);
	if (!vport)
		return; /* 240 vports and more on one blade: its image lock must do */
	j->taken[host][vport] = 1;
	place->binding.host = (uint16_t)(host + 1);
	place->binding.vport = vport;
	place->binding.generation = own ? own->generation : 0;
	place->binding.present = !part || !part->is_dead;
	place->binding.unknown = j->sights[host].state != QEMU_BLADE_UP;
	if (!part)
		return;
	if (part->mac && (own ? own->has_identity : part->mac != a->mac))
		place->binding.identity.mac = part->mac;
	memcpy(place->path, part->path, sizeof(place->path));
	memcpy(place->node, part->node, sizeof(place->node));
	memcpy(place->netdev, part->netdev, sizeof(place->netdev));
}

/* First what is ours, at its vport; then what is not. */
static void part_judge(const struct judge *j, size_t host, const struct qemu_part *part, bool own)
{
	const struct qemu_content *content = j->sights[host].content;
	uint32_t image = image_of(content, part);
	uint16_t vport = qemu_part_vport(content, &j->chassis->hosts[host], part);

	for (uint32_t handle = 1; handle <= j->chassis->adapter_count; handle++) {
		const struct qemu_adapter *a = &j->chassis->adapters[handle - 1];
		struct qemu_id id;
		bool ours = vport && is_own(a, handle, part, image, &id);

		if (own && ours)
			place_set(j, host, handle, part, vport, &id);
		else if (!own && !ours && is_foreign(a, handle, part, image))
			place_set(j, host, handle, part, vport, NULL);
	}
}

/* "/machine/peripheral/x", "/machine/peripheral-anon/device[0]" */
static bool is_added(const char *path)
{
	return !strncmp(path, "/machine/peripheral", strlen("/machine/peripheral"));
}

static void host_judge(const struct judge *j, size_t host, bool own)
{
	const struct qemu_content *content = j->sights[host].content;

	for (size_t i = 0; i < content->part_count; i++)
		part_judge(j, host, &content->parts[i], own);
	/* An image of a device which stands nowhere in the tree that we read. Where devices are
	 * added all are known: there it is of one that QEMU has refused and not quite forgotten
	 * (7.2). */
	for (size_t i = 0; !own && i < content->image_count; i++)
		if (content->images[i].adapter && !is_added(content->images[i].device) &&
		    !part_around(content, content->images[i].device))
			place_set(j, host, content->images[i].adapter, NULL, 0, NULL);
}

static bool sight_may_have(const struct qemu_sight *sight, uint32_t handle)
{
	if (sight->state == QEMU_BLADE_OFF)
		return false;
	if (sight->state != QEMU_BLADE_UP && !sight->is_whole)
		return true;
	for (size_t i = 0; i < sight->maybe_count; i++)
		if (sight->maybe[i] == handle)
			return true;
	return false;
}

/* Found nowhere: is that all? */
static void rest_judge(const struct judge *j, uint32_t handle)
{
	struct qemu_place *place = &j->places[handle - 1];

	if (place->binding.host)
		return;
	place->binding.present = true;
	for (size_t host = 0; host < j->chassis->host_count; host++)
		place->binding.unknown |= sight_may_have(&j->sights[host], handle);
}

void qemu_truth(const struct qemu_chassis *chassis, const struct qemu_sight *sights,
		struct qemu_place *out)
{
	static uint8_t taken[QEMU_HOSTS_MAX][PROVIDER_VPORTS_MAX + 1];
	const struct judge j = { chassis, sights, out, taken };

	memset(taken, 0, sizeof(taken));
	memset(out, 0, chassis->adapter_count * sizeof(*out));
	/* those that answer go first: what hangs tells only what was */
	for (int pass = 0; pass < 4; pass++)
		for (size_t host = 0; host < chassis->host_count; host++)
			if ((sights[host].state == QEMU_BLADE_UP) == (pass < 2) &&
			    sights[host].state != QEMU_BLADE_OFF)
				host_judge(&j, host, !(pass & 1));
	for (uint32_t handle = 1; handle <= chassis->adapter_count; handle++) {
		out[handle - 1].binding.function = handle;
		rest_judge(&j, handle);
	}
}

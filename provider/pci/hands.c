/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/hands.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/cursor.h"
#include "provider/pci/guard.h"
#include "provider/pci/vf_mac.h"

enum { POLL_NS = 20 * 1000 * 1000 };

static const char *const verbs[HANDS_VERBS] = {
	[HANDS_BIND] = "bind",
	[HANDS_UNBIND] = "unbind",
	[HANDS_RESET] = "reset",
	[HANDS_NUM_VFS] = "num-vfs",
	[HANDS_IDENTITY] = "identity",
	[HANDS_SLOT_POWER] = "slot-power",
	[HANDS_SLOT_ATTENTION] = "slot-attention",
	[HANDS_REMOVE] = "remove",
	[HANDS_RESCAN] = "rescan",
};

const char *hands_verb_text(enum hands_verb verb)
{
	return verbs[verb];
}

struct hands {
	const struct sysfs *s;
	const struct hands_io *io;
	const struct hands_task *task;
};

/* ---- what kinds of devices need beside sysfs ---- */

/* The one entry below a function's folder @leaf: "nvme0" below "nvme". */
static bool entry_of(const struct sysfs *s, const struct topo_address *address, const char *leaf,
		     char out[static SYSFS_NAME_MAX])
{
	char path[PATH_MAX];
	char whole[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *folder;

	sysfs_path(address, leaf, path);
	if (snprintf(whole, sizeof(whole), "%s/%s", s->tree, path) >= (int)sizeof(whole))
		return false;
	folder = opendir(whole);
	if (!folder)
		return false;
	while (!found && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < SYSFS_NAME_MAX) {
			(void)snprintf(out, SYSFS_NAME_MAX, "%.63s", entry->d_name); /* it fits */
			found = true;
		}
	closedir(folder);
	return found;
}

/* @vf 0: all. Return: as nvme_vfs_ready(). */
static int nvme_ready(const struct hands *h, const struct topo_address *pf, unsigned vf,
		      unsigned vfs, char *why)
{
	char controller[SYSFS_NAME_MAX];
	const struct nvme_admin admin = { .run = h->io->nvme ? h->io->nvme : nvme_device_run,
					  .arg = controller };

	if (!entry_of(h->s, pf, "nvme", controller)) {
		(void)snprintf(why, PROVIDER_TEXT_MAX, "the PF's driver shows no controller");
		return -ENODEV;
	}
	return nvme_vfs_ready(&admin, vf, vfs, why);
}

/* Return: 1 it works, 0 not yet, <0 it will not. */
static int nvme_alive(const struct hands *h, char *why)
{
	char controller[SYSFS_NAME_MAX];
	char leaf[SYSFS_NAME_MAX + 16];
	char path[PATH_MAX];
	char state[32];

	/* another driver than nvme shows none, and has its own idea of working */
	if (!entry_of(h->s, &h->task->address, "nvme", controller))
		return 1;
	(void)snprintf(leaf, sizeof(leaf), "nvme/%s/state", controller); /* it fits */
	sysfs_path(&h->task->address, leaf, path);
	if (sysfs_read(h->s, path, state, sizeof(state)))
		return 0;
	if (!strcmp(state, "dead") || !strncmp(state, "deleting", 8)) {
		(void)snprintf(why, PROVIDER_TEXT_MAX, "controller %.40s is %.20s", controller,
			       state);
		return -EIO;
	}
	return !strcmp(state, "live");
}

/* By class code; the first line that fits. */
static const struct kind {
	uint32_t class_code;
	uint32_t mask;
	/* Makes VF @vf (0: all) of @vfs ready for a driver. */
	int (*ready)(const struct hands *h, const struct topo_address *pf, unsigned vf,
		     unsigned vfs, char *why);
	/* Does the function work now that a driver has it? */
	int (*alive)(const struct hands *h, char *why);
} kinds[] = {
	{ 0x010802, 0xffffff, nvme_ready, nvme_alive },
};

static const struct kind *kind_of(uint32_t class_code)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((class_code & kinds[i].mask) == kinds[i].class_code)
			return &kinds[i];
	return NULL;
}

static bool vfs_ready(const struct hands *h, const struct topo_address *pf, unsigned vf,
		      unsigned vfs, struct sysfs_answer *a)
{
	const struct kind *kind = kind_of(h->task->class_code);
	char why[PROVIDER_TEXT_MAX] = "";
	int r = kind && kind->ready ? kind->ready(h, pf, vf, vfs, why) : 0;

	if (!r)
		return true;
	if (!why[0] && r < 0)
		(void)snprintf(why, sizeof(why), "%s", strerror(-r)); /* it fits */
	sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE, "%s%.140s",
			 vf ? "" : "VFs are made, not ready: ", why);
	return false;
}

static void wait_alive(const struct hands *h, struct sysfs_answer *a)
{
	const struct kind *kind = kind_of(h->task->class_code);
	const struct timespec pause = { .tv_nsec = POLL_NS };
	char why[PROVIDER_TEXT_MAX] = "";
	char driver[SYSFS_NAME_MAX];
	int r = kind && kind->alive ? 0 : 1;

	while (!r && clock_boot_ms() < h->task->deadline_ms) {
		r = kind->alive(h, why);
		if (!sysfs_driver(h->s, &h->task->address, driver)) {
			(void)snprintf(why, sizeof(why), "its driver gave it up again");
			r = -EIO;
		}
		if (!r)
			(void)nanosleep(&pause, NULL); /* a shorter one is fine */
	}
	if (r < 0)
		sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE, "%s", why);
	else if (!r)
		sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE,
				 "a driver has it, and it does not work yet");
}

/* ---- what is in use ---- */

/* True when it must not be touched; @a says why. */
static bool refuse_used(const struct hands *h, const struct topo_address *address, bool if_busy,
			struct sysfs_answer *a)
{
	char why[GUARD_WHY];
	char text[TOPO_ADDRESS_TEXT];
	enum guard_finding found = guard_look(h->s, address, why);

	if (found == GUARD_FREE || (found == GUARD_BUSY && !if_busy))
		return false;
	topo_address_format(address, text);
	sysfs_answer_set(a, PROVIDER_REFUSED,
			 found == GUARD_PROTECTED ? PROVIDER_WHY_KEPT : PROVIDER_WHY_NONE,
			 "%s is in use: %s", text, why);
	return true;
}

/* ---- the verbs ---- */

static unsigned vfs_now(const struct hands *h, const struct topo_address *pf)
{
	char path[PATH_MAX];
	uint64_t n;

	sysfs_path(pf, "sriov_numvfs", path);
	return sysfs_number(h->s, path, &n) || n > UINT16_MAX ? 0 : (unsigned)n;
}

static void do_bind(const struct hands *h, struct sysfs_answer *a)
{
	const struct hands_task *t = h->task;
	char driver[SYSFS_NAME_MAX];

	if (!sysfs_is_there(h->s, &t->address)) {
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_NO_FUNCTION,
				 "the function is not there");
		return;
	}
	if (!sysfs_driver(h->s, &t->address, driver) && t->is_vf &&
	    !vfs_ready(h, &t->pf, t->vf, vfs_now(h, &t->pf), a))
		return;
	sysfs_bind(h->s, &t->address, t->driver[0] ? t->driver : NULL, a);
	if (a->outcome == PROVIDER_DONE)
		wait_alive(h, a);
}

static void do_unbind(const struct hands *h, struct sysfs_answer *a)
{
	char driver[SYSFS_NAME_MAX];

	if (sysfs_driver(h->s, &h->task->address, driver) &&
	    refuse_used(h, &h->task->address, !h->task->is_surprise, a))
		return;
	sysfs_unbind(h->s, &h->task->address, a);
}

static void do_reset(const struct hands *h, struct sysfs_answer *a)
{
	OWNED(sysfs_blast_free) struct sysfs_blast *blast = malloc(sizeof(*blast));

	if (!blast) {
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_NONE, "%s", strerror(ENOMEM));
		return;
	}
	/* what it says when it fails is said by the reset itself */
	if (!sysfs_blast(h->s, &h->task->address, blast))
		for (size_t i = 0; i < blast->count; i++)
			if (refuse_used(h, &blast->hit[i], true, a))
				return;
	sysfs_reset(h->s, &h->task->address, a);
}

static void do_num_vfs(const struct hands *h, struct sysfs_answer *a)
{
	sysfs_vfs_set(h->s, &h->task->address, h->task->value, a);
	if (a->outcome == PROVIDER_DONE && h->task->value)
		(void)vfs_ready(h, &h->task->address, 0, h->task->value, a); /* @a says it */
}

static int interface_of(const struct sysfs *s, const struct topo_address *pf, uint32_t *out)
{
	char name[SYSFS_NAME_MAX];
	char leaf[SYSFS_NAME_MAX + 16];
	char path[PATH_MAX];
	uint64_t n;

	if (!entry_of(s, pf, "net", name))
		return REFUSE_NO_VF;
	(void)snprintf(leaf, sizeof(leaf), "net/%s/ifindex", name); /* it fits */
	sysfs_path(pf, leaf, path);
	if (sysfs_number(s, path, &n) || !n || n > INT32_MAX)
		return REFUSE_NO_VF;
	*out = (uint32_t)n;
	return 0;
}

int hands_identity(const struct sysfs *s, const struct topo_address *pf, uint16_t vf,
		   struct identity *out)
{
	uint32_t interface;
	int r = interface_of(s, pf, &interface);

	return r ? r : vf_mac_get(interface, vf - 1u, out);
}

static void do_identity(const struct hands *h, struct sysfs_answer *a)
{
	const struct hands_task *t = h->task;
	uint32_t interface;
	int r;

	sysfs_answer_set(a, PROVIDER_DONE, PROVIDER_WHY_NONE, "%s", "");
	if (t->identity.wwpn || t->identity.wwnn) {
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY,
				 "world wide names cannot be set from here");
		return;
	}
	if (!t->is_vf || interface_of(h->s, &t->pf, &interface)) {
		/* what carries none has been cleared */
		if (!identity_is_empty(&t->identity))
			sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY,
					 "only VFs of a network interface carry one");
		return;
	}
	r = vf_mac_set(interface, t->vf - 1u, &t->identity);
	if (r == -EOPNOTSUPP)
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_IDENTITY,
				 "the PF's driver sets no MAC addresses of VFs");
	else if (r)
		sysfs_answer_set(a, PROVIDER_FAILED, PROVIDER_WHY_NONE, "MAC address: %s",
				 r == -EIO ? "it reads back otherwise" : strerror(-r));
}

/* Functions with a bus of the slot's. */
static bool refuse_used_below(const struct hands *h, struct sysfs_answer *a)
{
	const struct hands_task *t = h->task;
	struct topo_address address;
	struct dirent *entry;
	char path[PATH_MAX];
	size_t looked = 0;
	bool refused = false;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", h->s->tree) >= (int)sizeof(path))
		return true;
	folder = opendir(path);
	if (!folder) {
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_NONE,
				 "what is in the slot cannot be read: %s", strerror(errno));
		return true;
	}
	while (!refused && looked++ < SYSFS_ENTRIES_MAX && (entry = readdir(folder)))
		if (!topo_address_parse(entry->d_name, &address) &&
		    address.domain == t->address.domain && address.bus >= t->address.bus &&
		    address.bus <= t->last_bus)
			refused = refuse_used(h, &address, true, a);
	closedir(folder);
	return refused;
}

static void do_slot(const struct hands *h, struct sysfs_answer *a)
{
	const struct hands_task *t = h->task;
	char slot[SYSFS_NAME_MAX];

	if (!sysfs_slot(h->s, t->address.domain, t->address.bus, slot))
		sysfs_answer_set(a, PROVIDER_REFUSED, PROVIDER_WHY_UNSUPPORTED,
				 "the kernel has no hot-plug slot there");
	else if (t->verb == HANDS_SLOT_ATTENTION)
		sysfs_slot_attention(h->s, slot, t->value, a);
	else if (t->value || !refuse_used_below(h, a))
		sysfs_slot_power(h->s, slot, t->value != 0, a);
}

static void do_remove(const struct hands *h, struct sysfs_answer *a)
{
	if (!refuse_used(h, &h->task->address, true, a))
		sysfs_remove(h->s, &h->task->address, a);
}

static void do_rescan(const struct hands *h, struct sysfs_answer *a)
{
	sysfs_rescan(h->s, a);
}

static void (*const runs[HANDS_VERBS])(const struct hands *, struct sysfs_answer *) = {
	[HANDS_BIND] = do_bind,           [HANDS_UNBIND] = do_unbind,
	[HANDS_RESET] = do_reset,         [HANDS_NUM_VFS] = do_num_vfs,
	[HANDS_IDENTITY] = do_identity,   [HANDS_SLOT_POWER] = do_slot,
	[HANDS_SLOT_ATTENTION] = do_slot, [HANDS_REMOVE] = do_remove,
	[HANDS_RESCAN] = do_rescan,
};

void hands_run(const struct sysfs *s, const struct hands_io *io, const struct hands_task *task,
	       struct sysfs_answer *a)
{
	const struct hands h = { .s = s, .io = io, .task = task };

	runs[task->verb](&h, a);
}

/* ---- through a pipe ---- */

void hands_answer_put(struct buf *out, const struct sysfs_answer *a)
{
	buf_u8(out, (uint8_t)a->outcome);
	buf_u8(out, (uint8_t)a->why);
	buf_text8(out, a->text);
}

int hands_answer_parse(const uint8_t *bytes, size_t length, struct sysfs_answer *out)
{
	struct cursor c = { .at = bytes, .end = bytes + length };
	struct sysfs_answer a = { 0 };
	uint8_t outcome = cursor_u8(&c);
	uint8_t why = cursor_u8(&c);

	cursor_text(&c, a.text, sizeof(a.text));
	if (c.overrun || c.at != c.end || outcome > PROVIDER_FAILED || why >= PROVIDER_WHYS)
		return -EBADMSG;
	a.outcome = (enum provider_outcome)outcome;
	a.why = (enum provider_why)why;
	*out = a;
	return 0;
}

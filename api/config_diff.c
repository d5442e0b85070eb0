/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two configurations compared: a JSON Patch (RFC 6902) that makes one the other. */
#include <string.h>

#include "agent/base/buf.h"
#include "api/config_json.h"

/* The patch so far, and where in the document it is. */
struct diff {
	json_t *patch;
	json_t *changed; /* ids as members */
	struct buf path;
};

static size_t enter(struct diff *diff, const char *name)
{
	size_t back = diff->path.length;

	buf_add_text(&diff->path, "/");
	for (; *name; name++) {
		if (*name == '~' || *name == '/')
			buf_add_text(&diff->path, *name == '~' ? "~0" : "~1");
		else
			buf_add(&diff->path, name, 1);
	}
	return back;
}

static size_t enter_index(struct diff *diff, size_t index)
{
	char text[24];
	snprintf(text, sizeof(text), "%zu", index);
	return enter(diff, text);
}

static void leave(struct diff *diff, size_t back)
{
	diff->path.length = back;
	diff->path.data[back] = '\0';
}

/* was: what people want to see beside; readers of patches pass over it. NULL: nothing. */
static json_t *add(struct diff *diff, const char *operation, const json_t *value, const json_t *was)
{
	json_t *op = json_object();

	json_object_set_new(op, "op", json_string(operation));
	json_object_set_new(op, "path", json_string(diff->path.data ? diff->path.data : ""));
	if (value)
		json_object_set(op, "value", (json_t *)(uintptr_t)value);
	if (was)
		json_object_set(op, "was", (json_t *)(uintptr_t)was);
	json_array_append_new(diff->patch, op);
	return op;
}

static const char *id_of(const json_t *list, size_t index)
{
	const char *id = json_string_value(json_object_get(json_array_get(list, index), "id"));
	return id ? id : "";
}

static void compare(struct diff *diff, const json_t *before, const json_t *after);

/* A preshared key is not in the document: that there is one stands for it. */
static void compare_item(struct diff *diff, const json_t *before, const json_t *after)
{
	size_t n = json_array_size(diff->patch);
	const json_t *id = json_object_get(after, "id");

	compare(diff, before, after);
	if (json_array_size(diff->patch) > n ||
	    !json_object_get(diff->changed, json_string_value(id)) ||
	    !json_is_true(json_object_get(after, "has_preshared_key")))
		return;
	size_t back = enter(diff, "has_preshared_key");
	json_t *op = add(diff, "replace", json_object_get(after, "has_preshared_key"), NULL);
	json_object_set_new(op, "secret_changed", json_true());
	leave(diff, back);
}

static void remove_items(struct diff *diff, const json_t *before, const json_t *after)
{
	size_t j = json_array_size(after);

	for (size_t i = json_array_size(before); i-- > 0;) {
		while (j > 0 && strcmp(id_of(after, j - 1), id_of(before, i)) > 0)
			j--;
		if (j > 0 && strcmp(id_of(after, j - 1), id_of(before, i)) == 0)
			continue;
		size_t back = enter_index(diff, i);
		add(diff, "remove", NULL, json_array_get(before, i));
		leave(diff, back);
	}
}

/* Both in the order of ids: once what goes is gone, each place is that of the list to come. */
static void compare_list(struct diff *diff, const json_t *before, const json_t *after)
{
	size_t i = 0;

	remove_items(diff, before, after);
	for (size_t j = 0; j < json_array_size(after); j++) {
		while (i < json_array_size(before) && strcmp(id_of(before, i), id_of(after, j)) < 0)
			i++;
		bool known = i < json_array_size(before) &&
			     strcmp(id_of(before, i), id_of(after, j)) == 0;
		size_t back = enter_index(diff, j);
		if (known)
			compare_item(diff, json_array_get(before, i), json_array_get(after, j));
		else
			add(diff, "add", json_array_get(after, j), NULL);
		leave(diff, back);
	}
}

static void compare(struct diff *diff, const json_t *before, const json_t *after)
{
	const char *name;
	json_t *value;

	if (json_equal(before, after))
		return;
	if (!json_is_object(before) || !json_is_object(after)) {
		add(diff, "replace", after, before);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)after, name, value)
	{
		const json_t *old = json_object_get(before, name);
		size_t back = enter(diff, name);
		if (!old)
			add(diff, "add", value, NULL);
		else
			compare(diff, old, value);
		leave(diff, back);
	}
}

static json_t *set_of(const struct id_list *list)
{
	json_t *set = json_object();

	for (size_t i = 0; i < list->n; i++)
		json_object_set_new(set, list->ids[i], json_true());
	return set;
}

json_t *config_diff(const json_t *before, const json_t *after, const struct config_change *change)
{
	struct diff diff = { .patch = json_array(), .changed = set_of(&change->changed) };
	const char *name;
	json_t *value;

	buf_init(&diff.path, 4096);
	buf_add_text(&diff.path, "");
	json_object_foreach((json_t *)(uintptr_t)after, name, value)
	{
		const json_t *old = json_object_get(before, name);
		size_t back = enter(&diff, name);
		if (json_is_array(value))
			compare_list(&diff, old, value);
		else
			compare(&diff, old, value);
		leave(&diff, back);
	}
	buf_release(&diff.path);
	json_decref(diff.changed);
	return diff.patch;
}

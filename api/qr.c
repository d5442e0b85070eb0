/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QR codes as SVG and as Unicode blocks. */
#include "api/qr.h"

#include <errno.h>
#include <qrcodegen/qrcodegen.h>
#include <string.h>

#include "agent/base/buf.h"

#define QUIET 4 /* modules of margin that the standard asks for */

struct code {
	uint8_t modules[qrcodegen_BUFFER_LEN_MAX];
	int size;
};

static int encode(const char *text, struct code *ret_code)
{
	uint8_t scratch[qrcodegen_BUFFER_LEN_MAX];

	bool fits = qrcodegen_encodeText(text, scratch, ret_code->modules, qrcodegen_Ecc_LOW,
					 qrcodegen_VERSION_MIN, qrcodegen_VERSION_MAX,
					 qrcodegen_Mask_AUTO, true);
	explicit_bzero(scratch, sizeof(scratch));
	if (!fits)
		return -EMSGSIZE;
	ret_code->size = qrcodegen_getSize(ret_code->modules);
	return 0;
}

static int finish(struct code *code, struct buf *buf)
{
	explicit_bzero(code, sizeof(*code));
	return buf->failed ? -ENOSPC : 0;
}

int qr_svg(const char *text, struct buf *buf)
{
	struct code code;
	int r = encode(text, &code);
	if (r < 0)
		return r;

	int side = code.size + 2 * QUIET;
	buf_printf(buf,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		   "height=\"%d\" shape-rendering=\"crispEdges\">"
		   "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path d=\"",
		   side, side, side * 6, side * 6, side, side);
	for (int y = 0; y < code.size; y++) {
		for (int x = 0; x < code.size;) {
			int from = x;
			while (x < code.size && qrcodegen_getModule(code.modules, x, y))
				x++;
			if (x > from)
				buf_printf(buf, "M%d %dh%dv1H%dz", from + QUIET, y + QUIET,
					   x - from, from + QUIET);
			else
				x++;
		}
	}
	buf_add_text(buf, "\"/></svg>\n");
	return finish(&code, buf);
}

int qr_text(const char *text, struct buf *buf)
{
	/* By (upper is light) + 2 * (lower is light). */
	static const char *const blocks[4] = { " ", "▀", "▄", "█" };
	struct code code;
	int r = encode(text, &code);
	if (r < 0)
		return r;

	/* Modules outside the code are light. */
	for (int y = -QUIET; y < code.size + QUIET; y += 2) {
		for (int x = -QUIET; x < code.size + QUIET; x++) {
			int upper = !qrcodegen_getModule(code.modules, x, y);
			int lower = !qrcodegen_getModule(code.modules, x, y + 1);
			buf_add_text(buf, blocks[upper + 2 * lower]);
		}
		buf_add_text(buf, "\n");
	}
	return finish(&code, buf);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A buffer grows to its maximum and not a byte further. */
#include "agent/base/buf.h"

#include "tests/test.h"

#include <errno.h>

TEST(text_grows_and_stays_terminated)
{
	struct buf buf;
	buf_init(&buf, 100000);
	CHECK(buf.data == NULL);
	for (int i = 0; i < 5000; i++)
		CHECK_EQ(buf_printf(&buf, "%d,", i % 10), 0);
	CHECK_EQ(buf.length, 10000);
	CHECK_EQ(strlen(buf.data), 10000);
	CHECK_MEM(buf.data + 9990, "5,6,7,8,9,", 10);
	buf_release(&buf);
	CHECK_EQ(buf_add_text(&buf, "again"), 0);
	CHECK_STR(buf.data, "again");
	buf_release_secret(&buf);
	CHECK_EQ(buf.length, 0);
}

TEST(the_maximum_itself_fits)
{
	struct buf buf;
	buf_init(&buf, 5);
	CHECK_EQ(buf_add(&buf, "12345", 5), 0);
	CHECK_STR(buf.data, "12345");
	CHECK(!buf.failed);
	buf_release(&buf);
}

TEST(past_the_maximum_it_takes_nothing_more)
{
	struct buf buf;
	buf_init(&buf, 5);
	CHECK_EQ(buf_add_text(&buf, "123"), 0);
	CHECK_EQ(buf_printf(&buf, "%d", 456), -ENOSPC);
	CHECK(buf.failed);
	CHECK_EQ(buf_add_text(&buf, "4"), -ENOSPC); /* half a document would look whole */
	CHECK_STR(buf.data, "123");
	CHECK_EQ(buf_add(&buf, "", SIZE_MAX), -ENOSPC);
	buf_release(&buf);
	CHECK(!buf.failed);
}

TEST(bytes_may_be_zero)
{
	struct buf buf;
	buf_init(&buf, 100);
	CHECK_EQ(buf_add(&buf, "a\0b", 3), 0);
	CHECK_EQ(buf_add(&buf, NULL, 0), 0);
	CHECK_EQ(buf.length, 3);
	CHECK_MEM(buf.data, "a\0b", 4);
	buf_release(&buf);
}

TEST_MAIN

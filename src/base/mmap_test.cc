#include "base/mmap.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/thread_pool.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

class MmapTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const { return directory_.write(name, text); }

  testing_support::TempDirectory directory_;
};

int sum(std::span<const std::byte> bytes) {
  int total = 0;
  for (const std::byte b : bytes) total += std::to_integer<int>(b);
  return total;
}

TEST_F(MmapTest, MapsAWholeFileAndCopiesRanges) {
  const auto file = MappedFile::open(write("f", "hello"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(std::memcmp(file->bytes().data(), "hello", 5), 0);
  std::array<std::byte, 3> out;
  ASSERT_TRUE(file->copy(2, out).ok());
  EXPECT_EQ(std::memcmp(out.data(), "llo", 3), 0);
  EXPECT_EQ(file->copy(3, out).code(), StatusCode::out_of_range);
  EXPECT_EQ(file->copy(static_cast<size_t>(-1), out).code(), StatusCode::out_of_range);
  file->advise(Access::soon);
  file->advise(Access::random, 1, 2);
}

TEST_F(MmapTest, MovingKeepsTheBytes) {
  auto file = MappedFile::open(write("f", "abc"));
  ASSERT_TRUE(file.ok());
  MappedFile moved = std::move(file).value();
  EXPECT_EQ(sum(moved.bytes()), 'a' + 'b' + 'c');
}

TEST_F(MmapTest, EmptyFileHasNoBytes) {
  const auto file = MappedFile::open(write("f", ""));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->bytes().empty());
}

TEST_F(MmapTest, RefusesWhatIsNoRegularFile) {
  EXPECT_EQ(MappedFile::open(directory_.path("missing")).status().code(), StatusCode::not_found);
  EXPECT_EQ(MappedFile::open(directory_.path()).status().code(), StatusCode::invalid_argument);
  const std::string fifo = directory_.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(fifo).status().code(), StatusCode::invalid_argument) << "and does not wait for a writer";
  EXPECT_EQ(read_file(fifo, 10).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(MappedFile::open(write("f", "hello"), 4).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(read_file(write("f", "hello"), 4).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(*read_file(write("f", "hello"), 5), "hello");
}

TEST_F(MmapTest, FileCutShortAfterMappingIsAnErrorOnEveryThread) {
  const std::string path = write("f", std::string(1 << 16, 'x'));
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  std::filesystem::resize_file(path, 100);
  auto read_all = [&] {
    for (int i = 0; i < 3; ++i) {  // the handler must still be there the second time
      volatile int total = 0;
      const Status status = guarded_read(path, [&] { total = total + sum(file->bytes()); });
      EXPECT_EQ(status.code(), StatusCode::data_loss) << status.message();
    }
    std::vector<std::byte> out(50);
    EXPECT_TRUE(file->copy(0, out).ok()) << "what is left of the file is still readable";
    EXPECT_EQ(file->copy(1 << 15, out).code(), StatusCode::data_loss);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(read_all);
  for (auto& thread : threads) thread.join();
  read_all();
}

TEST_F(MmapTest, InnerGuardFailsAloneWhenNested) {
  const std::string path = write("f", std::string(1 << 16, 'x'));
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  std::filesystem::resize_file(path, 0);
  bool inner_failed = false;
  bool outer_went_on = false;
  EXPECT_TRUE(guarded_read("outer", [&] {
                volatile int total = 0;
                inner_failed = !guarded_read("inner", [&] { total = sum(file->bytes()); }).ok();
                outer_went_on = true;
              }).ok());
  EXPECT_TRUE(inner_failed);
  EXPECT_TRUE(outer_went_on);
}

TEST_F(MmapTest, UnguardedFaultStillEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::signal(SIGBUS, [](int) { ::_exit(42); });
        (void)guarded_read("nothing", [] {});
        ::raise(SIGBUS);
      },
      ::testing::ExitedWithCode(42), "")
      << "a fault outside of a guard belongs to the handler that was there before";
}

TEST_F(MmapTest, LostPagesOfAWatchedMapReadAsZerosOnEveryThread) {
  const testing_support::TempDirectory directory;
  const std::string path = directory.write("f", std::string(64 * 4096, 'x'));
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  file->read_lost_pages_as_zeros();
  const MappedFile moved = std::move(*file);
  EXPECT_FALSE(moved.lost());
  std::filesystem::resize_file(path, 4096);
  ThreadPool pool(3);
  std::atomic<int> zeros{0};
  pool.for_each(64, 1, [&](int64_t begin, int64_t end) {
    for (int64_t page = begin; page < end; ++page) {
      zeros += moved.bytes()[static_cast<size_t>(page * 4096 + 17)] == std::byte{0};
    }
  });
  EXPECT_EQ(zeros, 63);
  EXPECT_TRUE(moved.lost());
}

}  // namespace
}  // namespace azimuth

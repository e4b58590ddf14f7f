// Checkpoints on disk: two are kept, damage is noticed, other machines are told apart.
#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/errors.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/memory_source.h"

namespace lamella {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() : model(make_model(ctx, kStripesNet)), adam(make_optimiser(ctx, model, {})) {
    model.initialise(ctx, 1);
  }
  TensorFile at_step(std::int64_t step) {
    TrainState state;
    state.step = step;
    state.loss_sum = 0.1 + static_cast<double>(step);
    return make_checkpoint(ctx, model, {kStripesNet, {"a", "b"}, {}}, *adam, nullptr, state);
  }
  std::int64_t newest_step(std::string* note = nullptr) {
    const NewestCheckpoint newest = read_newest_checkpoint(folder.path());
    if (note != nullptr) *note = newest.note;
    return state_of(newest.file, newest.path).step;
  }
  std::string last() const { return folder.file("checkpoint-last.safetensors"); }
  std::string prev() const { return folder.file("checkpoint-prev.safetensors"); }

  // Turns one bit of the byte at a share of the file's length.
  static void flip(const std::string& path, double where) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at =
        static_cast<std::streamoff>(where * static_cast<double>(std::filesystem::file_size(path)));
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 4);
    file.seekp(at);
    file.put(byte);
  }

  TemporaryFolder folder;
  Context ctx;
  Model model;
  std::unique_ptr<Optimiser> adam;
};

TEST_F(CheckpointTest, RemembersEverythingExactly) {
  TrainState state{3,    5,       123, 0xFFFFFFFFFFFFFFFFU, 0.1 + 0.2, 77, 1e-300,
                   12.5, 2.0 / 3, 2,   {0.1, 0.7, 3},       {512, 9}};
  adam->set_updates(41);
  write_checkpoint(folder.path(), make_checkpoint(ctx, model, {kStripesNet, {"a", "b"}, {}}, *adam,
                                                  nullptr, state));
  const NewestCheckpoint newest = read_newest_checkpoint(folder.path());
  Model other = make_model(ctx, kStripesNet);
  const auto other_adam = make_optimiser(ctx, other, {});
  const TrainState read =
      restore_checkpoint(ctx, other, *other_adam, nullptr, newest.file, newest.path);
  EXPECT_EQ(read.epoch, state.epoch);
  EXPECT_EQ(read.batch, state.batch);
  EXPECT_EQ(read.step, state.step);
  EXPECT_EQ(read.seed, state.seed);
  EXPECT_EQ(read.loss_sum, state.loss_sum);
  EXPECT_EQ(read.loss_images, state.loss_images);
  EXPECT_EQ(read.epoch_seconds, state.epoch_seconds);
  EXPECT_EQ(read.best_accuracy, state.best_accuracy);
  EXPECT_EQ(read.best_epoch, state.best_epoch);
  EXPECT_EQ(read.seconds, state.seconds);
  EXPECT_EQ(read.plateau.factor, state.plateau.factor);
  EXPECT_EQ(read.plateau.least_loss, state.plateau.least_loss);
  EXPECT_EQ(read.plateau.waited, state.plateau.waited);
  EXPECT_EQ(other_adam->updates(), 41);
  EXPECT_EQ(weights_hash(ctx, other), weights_hash(ctx, model));
}

TEST_F(CheckpointTest, KeepsTheOneBefore) {
  write_checkpoint(folder.path(), at_step(1));
  write_checkpoint(folder.path(), at_step(2));
  write_checkpoint(folder.path(), at_step(3));
  EXPECT_EQ(newest_step(), 3);
  std::filesystem::remove(last());
  std::string note;
  EXPECT_EQ(newest_step(&note), 2);
  EXPECT_NE(note.find("checkpoint-last"), std::string::npos);
  std::filesystem::remove(prev());
  EXPECT_THROW(newest_step(), Error);
}

TEST_F(CheckpointTest, NoticesDamageAndFallsBack) {
  write_checkpoint(folder.path(), at_step(1));
  write_checkpoint(folder.path(), at_step(2));
  const TemporaryFolder safe;
  std::filesystem::copy(last(), safe.file("good"));
  // In the length, the header, the weights, and the last byte of the optimiser's state.
  for (const double where : {0.0, 0.0005, 0.01, 0.3, 0.7, 0.999999}) {
    flip(last(), where);
    std::string note;
    EXPECT_EQ(newest_step(&note), 1) << where;
    EXPECT_NE(note.find("going on from the checkpoint before"), std::string::npos) << note;
    std::filesystem::copy_file(safe.file("good"), last(),
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(newest_step(), 2);
  }
  for (const double share : {0.0, 0.5, 0.999}) {
    const auto bytes = static_cast<double>(std::filesystem::file_size(safe.file("good")));
    std::filesystem::resize_file(last(), static_cast<std::uintmax_t>(share * bytes));
    EXPECT_EQ(newest_step(), 1) << share;
    std::filesystem::copy_file(safe.file("good"), last(),
                               std::filesystem::copy_options::overwrite_existing);
  }
}

// A run that went on from the one before and is killed in the midst of its first save.
TEST_F(CheckpointTest, ADamagedOneNeverReplacesTheWholeOne) {
  EXPECT_FALSE(has_checkpoint(folder.path()));
  write_checkpoint(folder.path(), at_step(1));
  write_checkpoint(folder.path(), at_step(2));
  flip(last(), 0.5);
  const NewestCheckpoint newest = read_newest_checkpoint(folder.path());
  discard_damaged(folder.path(), newest);
  write_checkpoint(folder.path(), at_step(3));
  EXPECT_TRUE(has_checkpoint(folder.path()));
  std::filesystem::remove(last());
  EXPECT_EQ(newest_step(), 1);
}

TEST_F(CheckpointTest, SaysWhyBitsCannotMatch) {
  const TensorFile checkpoint = at_step(1);
  const BuildInfo here = build_info(ctx);
  EXPECT_TRUE(bit_differences(checkpoint, here).empty());
  BuildInfo elsewhere = here;
  elsewhere.threads += 1;
  elsewhere.isa = "v0";
  const std::vector<std::string> differences = bit_differences(checkpoint, elsewhere);
  ASSERT_EQ(differences.size(), 2U);
  EXPECT_NE(differences[1].find("number of threads"), std::string::npos);
  EXPECT_NE(here.build_id, "unknown");
}

}  // namespace
}  // namespace lamella

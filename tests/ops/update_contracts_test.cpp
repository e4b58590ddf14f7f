// What an optimiser step takes from the norm of its gradients: the factor of clipping, and that a
// step whose gradients are not finite changes nothing and is counted.
#include "tests/ops/contracts.h"

namespace lamella {
namespace {

struct Update {
  Tensor g, w, m, v, skipped, control;

  UpdateTensor tensor() const {
    UpdateTensor t;
    t.count = g.count();
    t.g = g.data(), t.w = w.data(), t.m = m.as<float>(), t.v = v.as<float>();
    return t;
  }
};

class UpdateContracts : public Contracts {
 protected:
  Update make(const std::vector<float>& gradients) {
    const Shape size{static_cast<std::int64_t>(gradients.size())};
    const std::vector<float> ones(gradients.size(), 1.0F);
    return {tensor(gradients, size), tensor(ones, size),  tensor(ones, size),
            tensor(ones, size),      tensor({2.0F}, {1}), tensor({0, 0, 0, 0}, {4})};
  }
  // Control and skipped after gradient_control with two steps left out before.
  std::vector<float> control(const Update& update, float clip_norm) {
    const UpdateTensor t = update.tensor();
    GradientParams params;
    params.clip_norm = clip_norm, params.beta1 = 0.5F, params.beta2 = 0.75F, params.step = 5;
    const UpdateList list{&t, 1, DType::F32};
    context->kernels().gradient_control(context->kernel_context(), {&list, 1}, params,
                                        update.skipped.as<float>(), update.control.as<float>());
    return host(update.control);
  }
};

TEST_F(UpdateContracts, TheNormClips) {
  const std::vector<float> large = control(make({3, 0, 4, 0}), 2.5F);
  EXPECT_FLOAT_EQ(large[0], 5.0F);
  EXPECT_NEAR(large[1], 0.5F, 1e-6F);
  EXPECT_EQ(control(make({3, 0, 4, 0}), 10.0F)[1], 1.0F);
  EXPECT_EQ(control(make({3, 0, 4, 0}), 0.0F)[1], 1.0F);
  // 1e-6 is added to the norm, so that a norm of nothing does not divide.
  EXPECT_NEAR(control(make({1e-6F}), 1e-6F)[1], 0.5F, 1e-5F);
  EXPECT_EQ(control(make({0.0F}), 1.0F)[1], 1.0F);
}

TEST_F(UpdateContracts, CorrectionsAreOfTheStepsThatWereMade) {
  const std::vector<float> control_of_third = control(make({1}), 0.0F);  // five begun, two left out
  EXPECT_FLOAT_EQ(control_of_third[2], 1 - 0.125F);
  EXPECT_FLOAT_EQ(control_of_third[3], 1 - 0.421875F);
}

TEST_F(UpdateContracts, StepsOfFaultyGradientsAreCountedAndChangeNothing) {
  for (const float fault : {kInf, -kInf, kNaN, 1e30F}) {  // the square of the last is infinite
    const Update update = make({1, fault, 2});
    control(update, 1.0F);
    EXPECT_EQ(host(update.skipped)[0], 3.0F) << fault;
    const UpdateTensor t = update.tensor();
    const UpdateList list{&t, 1, DType::F32};
    const auto* control = update.control.as<const float>();
    context->kernels().sgd_step(context->kernel_context(), list, {0.1F, 0.9F, false}, control);
    context->kernels().adam_step(context->kernel_context(), list, {0.1F}, control);
    for (const Tensor& unchanged : {update.w, update.m, update.v}) {
      EXPECT_EQ(host(unchanged), (std::vector<float>{1, 1, 1})) << fault;
    }
  }
  const Update sound = make({1, 1e15F, 2});
  control(sound, 1.0F);
  EXPECT_EQ(host(sound.skipped)[0], 2.0F);
}

}  // namespace
}  // namespace lamella

"""The engine's networks in PyTorch, with the engine's parameter names: the twins that goldens are
computed with and benches are compared with."""

import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from philox import dropout_mask


class Dropout(nn.Module):
    """Dropout whose mask is torch's own, or, once `key` = (seed, step) is set, the engine's."""

    def __init__(self, p, layer):
        super().__init__()
        self.p, self.layer, self.key = p, layer, None

    def forward(self, x):
        if not self.training or self.key is None:
            return F.dropout(x, self.p, self.training)
        nhwc = x.shape if x.dim() == 2 else (x.shape[0], x.shape[2], x.shape[3], x.shape[1])
        kept = torch.from_numpy(dropout_mask(tuple(nhwc), self.p, *self.key, self.layer))
        kept = kept if x.dim() == 2 else kept.permute(0, 3, 1, 2)
        return x * kept.to(x.dtype) / (1.0 - self.p)


class TemStage(nn.Module):
    """conv-ReLU-BN twice, joined with the stage's input, max pool, dropout."""

    def __init__(self, channels, first, second, p, layer):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, first, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(first, eps=1e-3, momentum=0.01)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(second, eps=1e-3, momentum=0.01)
        self.pool = nn.MaxPool2d(2)
        self.dropout = Dropout(p, layer)

    def forward(self, x):
        y = self.bn1(F.relu(self.conv1(x)))
        y = self.bn2(F.relu(self.conv2(y)))
        return self.dropout(self.pool(torch.cat([y, x], dim=1)))


class LastConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(384, 256, 3)

    def forward(self, x):
        return F.relu(self.conv(x))


class TemSmall(nn.Module):
    """The handcrafted net of Matuszewski & Sintorn 2021, as their Keras code builds it."""

    def __init__(self, height, width, channels=1, classes=14):
        super().__init__()
        self.stage1 = TemStage(channels, 64, 64 - channels, 0.20, 1)
        self.stage2 = TemStage(64, 64, 64, 0.25, 2)
        self.stage3 = TemStage(128, 128, 128, 0.30, 3)
        self.stage4 = TemStage(256, 128, 128, 0.35, 4)
        self.last = LastConv()
        self.fc1 = nn.Linear((height // 16 - 2) * (width // 16 - 2) * 256, 256)
        self.dropout = Dropout(0.35, 5)
        self.fc2 = nn.Linear(256, 256)
        self.classifier = nn.Linear(256, classes)

    def forward(self, x):
        x = self.last(self.stage4(self.stage3(self.stage2(self.stage1(x)))))
        x = x.permute(0, 2, 3, 1).flatten(1)  # NHWC order, as Keras channels_last
        x = self.dropout(F.relu(self.fc1(x)))
        return self.classifier(F.relu(self.fc2(x)))

    def penalty(self):
        """L2(0.1) on every kernel but the classifier's."""
        kernels = [p for name, p in self.named_parameters() if p.dim() > 1 and
                   not name.startswith("classifier")]
        return 0.1 * sum((kernel**2).sum() for kernel in kernels)

    def before_relu(self):
        """Pairs (module whose bias moves what goes into a ReLU, module that gives it)."""
        stages = [self.stage1, self.stage2, self.stage3, self.stage4]
        convs = [conv for stage in stages for conv in (stage.conv1, stage.conv2)]
        return [(m, m) for m in convs + [self.last.conv, self.fc1, self.fc2]]


class Cbr(nn.Module):
    """conv-BN-ReLU-pool four times, mean, classifier: CBR of Raghu et al. 2019 (Transfusion)."""

    def __init__(self, kernel, channels=3, classes=5, widths=(32, 64, 128, 256), last_pool=True):
        super().__init__()
        self.blocks, self.last_pool = len(widths), last_pool
        for i, width in enumerate(widths, start=1):
            conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", nn.BatchNorm2d(width))
            channels = width
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        for i in range(1, self.blocks + 1):
            conv, bn = getattr(self, f"conv{i}"), getattr(self, f"bn{i}")
            x = F.relu(bn(conv(x)))
            if i < self.blocks or self.last_pool:
                x = self.pool(x)
        return self.classifier(x.mean(dim=(2, 3)))

    def penalty(self):
        return None

    def before_relu(self):
        return [(bn, bn) for name, bn in self.named_children() if name.startswith("bn")]


CBR = {"cbr_large_t": (7, (32, 64, 128, 256, 512), False), "cbr_large_w": (7, (64, 128, 256, 512)),
       "cbr_small": (7, (32, 64, 128, 256)), "cbr_tiny": (5, (32, 64, 128, 256)),
       "cbr_tiny_wide": (5, (64, 128, 256, 512))}


def densenet_bc_100_12(classes):
    """DenseNet-BC of the paper for 32x32 images: torchvision's class with a stem of one 3x3
    convolution."""
    net = torchvision.models.DenseNet(12, (16, 16, 16), 24, 4, 0, classes)
    del net.features.norm0, net.features.relu0, net.features.pool0
    net.features.conv0 = nn.Conv2d(3, 24, 3, padding=1, bias=False)
    return net


AUXILIARY = "_aux"  # behind the name of a network with its auxiliary classifiers
AUXILIARY_WEIGHTS = {"googlenet": 0.3, "inception_v3": 0.4}  # of their losses


class MapLinear(nn.Linear):
    """A linear layer over a flattened map, whose weight is held as a filter: the engine's way."""

    def __init__(self, channels, size, out):
        super().__init__(channels * size * size, out)
        self.weight = nn.Parameter(self.weight.detach().reshape(out, channels, size, size))

    def forward(self, x):
        return F.linear(x, self.weight.flatten(1), self.bias)


def published_net(name, classes):
    """torchvision's or timm's own class, without its initial weights."""
    auxiliary, name = name.endswith(AUXILIARY), name.removesuffix(AUXILIARY)
    if name == "densenet_bc_100_12":
        return densenet_bc_100_12(classes)
    if name == "inception_v4":
        return timm.create_model("inception_v4", num_classes=classes)
    more = {}
    if name in AUXILIARY_WEIGHTS:
        more = {"aux_logits": auxiliary, "init_weights": False}
    net = getattr(torchvision.models, name)(num_classes=classes, **more)
    if auxiliary and name == "googlenet":
        net.aux1.fc1, net.aux2.fc1 = MapLinear(128, 4, 1024), MapLinear(128, 4, 1024)
    return net


def replace(net, kind, make):
    """Every module of `kind` becomes make(module, its number, from 1); those of auxiliary
    classifiers are the last."""
    of_kind = [item for item in net.named_modules() if type(item[1]) is kind]
    of_kind.sort(key=lambda item: item[0].lower().startswith("aux"))
    for number, (path, module) in enumerate(of_kind, start=1):
        parent = net.get_submodule(path.rpartition(".")[0])
        setattr(parent, path.rpartition(".")[2], make(module, number))


def adapt(net, channels):
    """A published net for so many input channels, with the engine's dropout masks and with what
    the scripts here ask of a net."""
    replace(net, nn.Dropout, lambda dropout, number: Dropout(dropout.p, number))
    if channels != 3:
        replace(net, nn.Conv2d, lambda conv, number: conv if number > 1 else nn.Conv2d(
            channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
            bias=conv.bias is not None))
    for module in net.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    normed = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    # timm's batch norm has its ReLU inside, behind a module called drop.
    pairs = [(bn, getattr(bn, "drop", bn)) for bn in normed]
    if not normed:
        pairs = [(m, m) for m in net.modules() if isinstance(m, nn.Conv2d)]
    pairs += [(m, m) for m in net.modules() if isinstance(m, MapLinear)]
    net.before_relu = lambda: pairs
    net.penalty = lambda: None
    return net


def make_net(name, height, width, channels, classes):
    if name == "tem_small":
        return TemSmall(height, width, channels, classes)
    if name in CBR:
        kernel, *shape = CBR[name]
        return Cbr(kernel, channels, classes, *shape)
    return adapt(published_net(name, classes), channels)


def data_loss(name, outputs, labels):
    """The cross-entropy of a network's outputs: of its own logits, and in training of those of its
    auxiliary classifiers, with their weight."""
    logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
    loss = F.cross_entropy(logits, labels)
    for more in auxiliary:
        weight = AUXILIARY_WEIGHTS[name.removesuffix(AUXILIARY)]
        loss = loss + weight * F.cross_entropy(more, labels)
    return loss


def set_dropout_key(net, key):
    """Addresses every dropout mask by key = (seed, step), as a Context does."""
    for module in net.modules():
        if isinstance(module, Dropout):
            module.key = key


def to_memory_order(tensor):
    """A torch parameter as the engine holds it: filters [K,C,R,S] -> [K,R,S,C]."""
    return tensor.permute(0, 2, 3, 1).contiguous() if tensor.dim() == 4 else tensor


def from_memory_order(array, like):
    """The reverse: `array` holds the elements in the engine's order."""
    values = torch.from_numpy(array)
    if like.dim() != 4:
        return values.reshape(like.shape)
    k, c, r, s = like.shape
    return values.reshape(k, r, s, c).permute(0, 3, 1, 2).contiguous()

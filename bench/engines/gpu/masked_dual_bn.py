"""Dual BN in training mode by masked statistics: no shape depends on the number of λ=0 samples.

The plain code cuts a batch into its λ=0 samples and the rest. The number of λ=0 samples differs from batch to batch, so
that a GPU's graph, or a compiled kernel, of one batch does not fit the next. Here each image's own mean and variance
are averaged over the images of its branch: a product with an (N, N) matrix, the only place where the number enters.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def same_branch_average(zeros: int, like: Tensor, n: int) -> Tensor:
    """(N, N) matrix that averages over the images of the same branch: the first `zeros`, or the other ones. 0 < zeros <
    n."""
    clean = (torch.arange(n, device=like.device) < zeros).to(like.dtype)
    adversarial = 1 - clean
    return torch.outer(clean, clean / zeros) + torch.outer(adversarial, adversarial / (n - zeros))


class MaskedDualBN(torch.autograd.Function):
    """x (N, C, H, W) → scale · (x - mean) / sqrt(var + eps) + shift, with the mean and the biased variance of each
    image's branch. scale, shift: (N, C), BN's weight and bias with FiLM.

    Also returns the (N, C) means and variances, which have no gradient. All is computed in the dtype of `scale`.
    The variance of a branch is that within its images plus that of the images' means, so that nothing cancels.
    """

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, shift: Tensor, average: Tensor, eps: float):
        exact = x.to(scale.dtype)
        with torch.autocast(x.device.type, enabled=False):
            var_of_image, mean_of_image = torch.var_mean(exact, (2, 3), correction=0)
            mean = average @ mean_of_image
            deviation = mean_of_image - mean
            var = average @ torch.addcmul(var_of_image, deviation, deviation)
        inverse = (var + eps).rsqrt_()
        slope = scale * inverse
        y = torch.addcmul(images(torch.addcmul(shift, mean, slope, value=-1)), exact, images(slope))
        ctx.save_for_backward(x, scale, average, mean, inverse, slope)
        ctx.mark_non_differentiable(mean, var)
        ctx.set_materialize_grads(False)
        return y.to(x.dtype), mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor, _mean, _var):
        with torch.autocast(grad.device.type, enabled=False):
            return gradients(ctx, grad)


def gradients(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
    """To x, scale and shift. The gradient to the normalised images is cleared of its mean over the branch, and of its
    mean product with these images, times them."""
    x, scale, average, mean, inverse, slope = ctx.saved_tensors
    exact, grad, pixels = x.to(scale.dtype), grad.to(scale.dtype), x.shape[2] * x.shape[3]
    to_shift = grad.sum((2, 3))
    to_scale = torch.addcmul((grad * exact).sum((2, 3)), mean, to_shift, value=-1).mul_(inverse)
    minus_mean, minus_product = average @ (torch.stack([to_shift, to_scale]) * scale).div_(-pixels)
    by_x = minus_product * inverse
    constant = torch.addcmul(minus_mean, mean, by_x, value=-1).mul_(inverse)
    to_x = torch.addcmul(images(constant), exact, images(by_x.mul_(inverse)))
    return torch.addcmul(to_x, grad, images(slope)).to(x.dtype), to_scale, to_shift, None, None


def images(per_channel: Tensor) -> Tensor:
    """(N, C) → (N, C, 1, 1)."""
    return per_channel[:, :, None, None]

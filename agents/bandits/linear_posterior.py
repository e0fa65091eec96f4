"""Gaussian posteriors over the parameters of linear and logistic models."""

import torch
from torch import Tensor, nn

_BLOCK = 4096  # rows whose squares are made at once
_N_NEWTON = 4  # steps; from the last posterior's mean the next one's is near


class LinearPosterior(nn.Module):
    """H Gaussian posteriors of precision A and mean A^-1 b over D parameters each.

    With a batch of rows x of weight w and response r, `A <- g A + sum w x x' + (1 - g) l I` and
    `b <- g b + sum w x r`; g is what the past still counts and l the prior's precision. The
    Cholesky factor is taken anew once a batch, which has about as many rows as there are
    parameters: for fewer rows, updates of rank one would be cheaper.

    Args:
        n_models: H.
        size: D.
        prior_precision: l.
    """

    precision: Tensor
    """Shape (H, D, D). A."""
    moment: Tensor
    """Shape (H, D). b."""
    mean: Tensor
    """Shape (H, D)."""
    root: Tensor
    """Shape (H, D, D). Its product with its transpose is the inverse of A."""

    def __init__(self, n_models: int, size: int, prior_precision: float) -> None:
        super().__init__()
        self.prior_precision = prior_precision
        eye = torch.eye(size, dtype=torch.double).expand(n_models, -1, -1)
        self.register_buffer("precision", prior_precision * eye)
        self.register_buffer("moment", torch.zeros(n_models, size, dtype=torch.double))
        self.register_buffer("mean", torch.zeros(n_models, size, dtype=torch.double))
        self.register_buffer("root", prior_precision**-0.5 * eye)

    def forget(self, share: float) -> None:
        """Let all that was seen count this share of what it did."""
        if share < 1.0:
            self.precision.mul_(share)
            self.precision.diagonal(dim1=1, dim2=2).add_((1.0 - share) * self.prior_precision)
            self.moment.mul_(share)
            self._solve()

    def see(self, models: Tensor, rows: Tensor, weights: Tensor, responses: Tensor) -> None:
        """Learn from responses that are linear in the rows.

        Args:
            models: Shape (n,). Which model each row is of.
            rows: Shape (n, D).
            weights: Shape (n,). Of each row, 0 or more.
            responses: Shape (n,).
        """
        self._add_squares(models, rows, weights)
        self.moment.index_add_(0, models, rows * (weights * responses)[:, None])
        self._solve()

    def see_choices(self, models: Tensor, rows: Tensor, chosen: Tensor, examined: Tensor) -> None:
        """Learn from choices whose log-odds are linear in the rows, by a Laplace approximation.

        The mean moves by Newton's steps to the peak of posterior times likelihood, and the
        precision grows by the curvature there. A row passed over was seen with chance e and
        refused, or not seen; it counts by how likely it was seen, given that it was passed over.

        Args:
            models: Shape (n,). Which model each row is of.
            rows: Shape (n, D).
            chosen: Shape (n,). 1 or 0.
            examined: Shape (n,). Chance e that the row was seen.
        """
        precision, moment = self.precision.clone(), self.moment.clone()
        for _ in range(_N_NEWTON):
            logits = (rows * self.mean[models]).sum(dim=1)
            likely = logits.sigmoid()
            refused = examined * (1.0 - likely)
            counts = torch.where(chosen > 0, 1.0, refused / (refused + 1.0 - examined + 1e-12))
            curvature = counts * likely * (1.0 - likely)
            # The gradient at the mean, written as a weighted least-squares problem.
            pull = counts * (chosen - likely) + curvature * logits
            self.precision.copy_(precision)
            self.moment.copy_(moment)
            self._add_squares(models, rows, curvature)
            self.moment.index_add_(0, models, rows * pull[:, None])
            self._solve()
        # What is kept is b = A mean for the Gaussian that now stands for all that was seen.
        self.moment.copy_(torch.einsum("hde,he->hd", self.precision, self.mean))

    def drawn(self, noises: Tensor) -> Tensor:
        """Return parameters (..., H, D) for standard normal noises of that shape."""
        return self.mean + torch.einsum("hde,...he->...hd", self.root, noises)

    def _add_squares(self, models: Tensor, rows: Tensor, weights: Tensor) -> None:
        if len(self.precision) == 1:
            self.precision[0].addmm_(rows.T * weights, rows)
            return
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            squares = rows[part, :, None] * (rows[part] * weights[part, None])[:, None, :]
            self.precision.index_add_(0, models[part], squares)

    def _solve(self) -> None:
        factor = torch.linalg.cholesky(self.precision)
        eye = torch.eye(factor.shape[1], dtype=factor.dtype, device=factor.device)
        inverse = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)
        self.root.copy_(inverse.transpose(1, 2))
        seen = torch.einsum("hed,he->hd", self.root, self.moment)
        self.mean.copy_(torch.einsum("hde,he->hd", self.root, seen))

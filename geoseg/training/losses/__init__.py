"""What training makes small. Every loss honours a weight per pixel; a crop without a known pixel costs exactly 0.

All losses take labels that leave several classes open (partial labels) beside labels of one class.
"""

from geoseg.training.losses.overlap import lovasz_softmax, soft_dice
from geoseg.training.losses.per_pixel import cross_entropy, focal, hard_weights
from geoseg.training.losses.pixel_labels import PixelLabels, pixel_labels_of, weighted_mean
from geoseg.training.losses.weighted import SegmentationLoss, balanced_weights

__all__ = [
    "PixelLabels",
    "SegmentationLoss",
    "balanced_weights",
    "cross_entropy",
    "focal",
    "hard_weights",
    "lovasz_softmax",
    "pixel_labels_of",
    "soft_dice",
    "weighted_mean",
]

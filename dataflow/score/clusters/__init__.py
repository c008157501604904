"""The clusters of a key over time: a warm KMeans, numbers that last, and what becomes of each cluster."""

from dataflow.score.clusters.group import GroupClusters
from dataflow.score.clusters.report import Change, column
from dataflow.score.clusters.state import KeyClusters
from dataflow.score.clusters.track import ClusterTracker, Tracked

__all__ = ["Change", "ClusterTracker", "GroupClusters", "KeyClusters", "Tracked", "column"]

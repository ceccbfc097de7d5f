"""scikit-learn-intelex (oneDAL), through the same class name as scikit-learn."""

from sklearnex.neighbors import NearestNeighbors

from . import sklearn


class Engine(sklearn.Engine):
    title = "scikit-learn-intelex"
    packages = ("scikit-learn-intelex",)
    library = NearestNeighbors

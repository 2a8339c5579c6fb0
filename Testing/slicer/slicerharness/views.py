"""Slicer's slice and 3D views, drawn into a picture without a display by the application's own displayable managers."""

from __future__ import annotations

from pathlib import Path

import vtk

_MANAGERS_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)
_MANAGERS_2D = ("vtkMRMLSegmentationsDisplayableManager2D",)


class _View:
    """A window off the screen with Slicer's managers for one kind of view."""

    def __init__(self, factory, managers: tuple[str, ...], size: tuple[int, int]) -> None:
        import slicer

        logic = slicer.app.applicationLogic()
        if slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLInteractionNode") is None:
            slicer.mrmlScene.AddNode(slicer.vtkMRMLInteractionNode())  # as the application has one in every scene
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(*size)
        self.window.SetMultiSamples(0)
        self.renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        instance = factory.GetInstance()
        instance.SetMRMLApplicationLogic(logic)
        for manager in managers:
            if not instance.IsDisplayableManagerRegistered(manager):
                instance.RegisterDisplayableManager(manager)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.SetRenderer(self.renderer)
        self.group.Initialize(instance, self.renderer)

    def save(self, path: Path) -> None:
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(path))
        writer.SetInputConnection(grab.GetOutputPort())
        writer.Write()


def save_3d(path: Path, size: tuple[int, int] = (500, 500)) -> None:
    """Draw the scene's surfaces, seen from the front and left, into a PNG file; once for each scene."""
    import slicer

    logic, view = slicer.app.applicationLogic(), None
    logic.SetViewLogics(vtk.vtkCollection())
    view = _View(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, _MANAGERS_3D, size)
    view_logic = slicer.vtkMRMLViewLogic()
    view_logic.SetMRMLApplicationLogic(logic)
    logic.GetViewLogics().AddItem(view_logic)
    view_logic.SetMRMLScene(slicer.mrmlScene)
    node = view_logic.AddViewNode("1")
    node.SetBoxVisible(False)
    node.SetAxisLabelsVisible(False)
    view.group.SetMRMLDisplayableNode(node)
    view.window.Render()
    camera = view.renderer.GetActiveCamera()
    centre = camera.GetFocalPoint()
    camera.SetPosition(centre[0] - 300, centre[1] + 400, centre[2] + 120)
    camera.SetViewUp(0, 0, 1)
    view.renderer.ResetCamera()
    camera.Zoom(1.3)
    view.save(path)


def save_slice(path: Path, volume, orientation: str, position, zoom=1.0, size: tuple[int, int] = (400, 400)) -> None:
    """Draw one slice of a volume around a position (RAS, mm) with the scene's segmentations into a PNG file.

    ``zoom`` is the share of the whole slice that is shown.
    """
    import slicer

    logic = slicer.app.applicationLogic()
    logic.SetSliceLogics(vtk.vtkCollection())
    view = _View(slicer.vtkMRMLSliceViewDisplayableManagerFactory, _MANAGERS_2D, size)
    view.renderer.GetActiveCamera().ParallelProjectionOn()
    slice_logic = slicer.vtkMRMLSliceLogic()
    slice_logic.SetMRMLApplicationLogic(logic)
    logic.GetSliceLogics().AddItem(slice_logic)
    slice_logic.SetMRMLScene(slicer.mrmlScene)
    node = slice_logic.AddSliceNode({"Axial": "Red", "Coronal": "Green", "Sagittal": "Yellow"}[orientation])
    view.group.SetMRMLDisplayableNode(node)
    node.SetOrientation(orientation)
    slice_logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    slice_logic.ResizeSliceNode(*size)
    slice_logic.FitSliceToBackground()
    width, height, depth = node.GetFieldOfView()
    node.SetFieldOfView(zoom * width, zoom * height, depth)
    node.JumpSliceByCentering(*position)
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(slice_logic.GetImageDataConnection())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    # In a layer of its own: what is drawn over it is blended with it then, and not with black
    below = vtk.vtkRenderer()
    below.AddViewProp(actor)
    view.window.SetNumberOfLayers(2)
    view.window.AddRenderer(below)
    below.SetLayer(0)
    view.renderer.SetLayer(1)
    view.save(path)
